import type { Theme } from "vitepress"
import base from "vitepress/theme"
import { defineAsyncComponent } from "vue"

export default {
  extends: base,
  enhanceApp({ app }) {
    app.component(
      "Playground",
      defineAsyncComponent(() => import("../../playground/Playground.vue"))
    )
  }
} satisfies Theme
