/** The curves of the playground. */
import uPlot from "uplot"
import type { Colors } from "./scene.ts"
import type { Point } from "./simulation.ts"

interface Curve {
  readonly name: string
  readonly color: (colors: Colors) => string
  readonly dash?: Array<number>
  readonly value: (point: Point) => number
}

export class Chart {
  private readonly plot: uPlot
  private readonly curves: ReadonlyArray<Curve>

  constructor(parent: HTMLElement, curves: ReadonlyArray<Curve>, colors: () => Colors) {
    this.curves = curves
    const axis: uPlot.Axis = { stroke: () => colors().text, grid: { stroke: () => colors().faint, width: 1 }, size: 56 }
    this.plot = new uPlot(
      {
        width: Math.max(200, parent.clientWidth),
        height: 150,
        cursor: { show: false },
        legend: { show: false },
        scales: { x: { time: false }, y: { range: (_, __, max) => [0, Math.max(1, max * 1.1 || 1)] } },
        axes: [{ ...axis, size: 28, values: (_, ticks) => ticks.map((tick) => `${tick} s`) }, axis],
        series: [
          {},
          ...curves.map(({ color, dash, name }): uPlot.Series => ({
            label: name,
            stroke: () => color(colors()),
            width: 2,
            points: { show: false },
            ...(dash === undefined ? {} : { dash })
          }))
        ]
      },
      [[], ...curves.map(() => [])],
      parent
    )
  }

  update(history: ReadonlyArray<Point>): void {
    const columns = this.curves.map(({ value }) =>
      history.map((point) => (Number.isNaN(value(point)) ? null : value(point)))
    )
    this.plot.setData([history.map(({ at }) => at / 1000), ...columns] as uPlot.AlignedData)
  }

  resize(width: number): void {
    if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: 150 })
  }

  redraw(): void {
    this.plot.redraw(false, true)
  }

  destroy(): void {
    this.plot.destroy()
  }
}
