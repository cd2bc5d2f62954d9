// The server serves uPlot's own script, which defines this global.
import type UPlot from "uplot"

declare global {
  const uPlot: typeof UPlot
}
