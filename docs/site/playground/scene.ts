/** Draws the tasks on their way from the door to the result. */
import type { Dot, Simulation } from "./simulation.ts"

export interface Colors {
  readonly text: string
  readonly faint: string
  readonly line: string
  readonly background: string
  readonly task: string
  readonly good: string
  readonly bad: string
}

/** The areas, as shares of the width. */
const areas = { door: [0.02, 0.2], queue: [0.24, 0.56], workers: [0.6, 0.8], server: [0.86, 0.98] } as const
const top = 34
const bottom = 12
/** The hues of keys, told apart by their letters too. */
const hues = [210, 30, 140, 280, 0, 175, 55, 325]

interface Position {
  x: number
  y: number
}

export class Scene {
  private readonly canvas: HTMLCanvasElement
  private readonly positions = new Map<number, Position>()
  private width = 0
  private height = 0

  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas
  }

  resize(width: number, height: number, pixels: number): void {
    this.width = width
    this.height = height
    this.canvas.width = Math.round(width * pixels)
    this.canvas.height = Math.round(height * pixels)
    this.canvas.getContext("2d")!.setTransform(pixels, 0, 0, pixels, 0, 0)
    this.positions.clear()
  }

  /** Draws one frame. `moved` is the share of its way that a task moves: 1 to jump. */
  draw(simulation: Simulation, colors: Colors, moved: number): void {
    const context = this.canvas.getContext("2d")!
    context.clearRect(0, 0, this.width, this.height)
    this.drawAreas(context, simulation, colors)
    const { settings } = simulation
    const radius = this.radius
    context.font = `600 ${Math.round(radius * 1.5)}px system-ui, sans-serif`
    context.textAlign = "center"
    context.textBaseline = "middle"
    for (const id of this.positions.keys()) if (!simulation.dots.has(id)) this.positions.delete(id)
    for (const dot of simulation.dots.values()) {
      const target = this.targetOf(dot)
      if (target === undefined) {
        this.positions.delete(dot.id)
        continue
      }
      const position = this.positions.get(dot.id) ?? this.entryOf(dot, target)
      position.x += (target.x - position.x) * moved
      position.y += (target.y - position.y) * moved
      this.positions.set(dot.id, position)
      const ended = dot.endedAt < Infinity
      context.globalAlpha = ended ? Math.max(0, 1 - (simulation.now - dot.endedAt) / 700) : 1
      context.fillStyle = colorOf(dot, colors)
      context.beginPath()
      context.arc(position.x, position.y, radius, 0, 2 * Math.PI)
      context.fill()
      const letter = letterOf(dot, settings.order)
      if (letter !== "") {
        context.fillStyle = colors.background
        context.fillText(letter, position.x, position.y + 0.5)
      }
    }
    context.globalAlpha = 1
  }

  private get radius(): number {
    return this.width < 520 ? 4 : 7
  }

  private get gap(): number {
    return 2 * this.radius + 3
  }

  private get rows(): number {
    return Math.max(1, Math.floor((this.height - top - bottom) / this.gap))
  }

  /** Where a task belongs, or `undefined` if it is not shown. */
  private targetOf(dot: Dot): Position | undefined {
    const { gap, rows } = this
    const inGrid = (right: number, slot: number): Position => ({
      x: right - this.radius - Math.floor(slot / rows) * gap,
      y: top + this.radius + (slot % rows) * gap
    })
    switch (dot.place) {
      case "door":
      case "queue":
        return dot.slot < 0 ? undefined : inGrid(areas[dot.place][1] * this.width, dot.slot)
      case "worker":
        return this.worker(dot.slot)
      case "done":
        return { x: this.width + gap, y: this.positions.get(dot.id)?.y ?? this.height / 2 }
      case "failed":
        return { x: this.width + gap, y: this.height + gap }
      case "rejected":
        return { x: areas.door[0] * this.width, y: -gap }
      case "dropped":
        return { x: areas.queue[0] * this.width, y: this.height + gap }
    }
  }

  /** Where a task appears. */
  private entryOf(dot: Dot, target: Position): Position {
    return dot.place === "door" || dot.place === "queue" || dot.place === "worker"
      ? { x: -this.gap, y: target.y }
      : { ...target }
  }

  private worker(index: number): Position {
    const [left, right] = areas.workers
    const gap = this.gap + 4
    const columns = Math.max(1, Math.floor(((right - left) * this.width) / gap))
    return {
      x: left * this.width + this.radius + (index % columns) * gap,
      y: top + this.radius + Math.floor(index / columns) * gap
    }
  }

  private drawAreas(context: CanvasRenderingContext2D, simulation: Simulation, colors: Colors): void {
    const { hidden, server, settings, stats } = simulation
    const small = this.width < 520
    const title = (area: keyof typeof areas, text: string) => {
      context.fillStyle = colors.text
      context.font = `600 ${small ? 10 : 13}px system-ui, sans-serif`
      context.textAlign = "left"
      context.textBaseline = "alphabetic"
      context.fillText(text, areas[area][0] * this.width, small && area === "server" ? 30 : 16)
    }
    const more = (count: number) => (count > 0 ? ` (${count} not drawn)` : "")
    title("door", `door ${stats.atDoor}${small ? "" : more(hidden.door)}`)
    title("queue", `queue ${stats.waiting}${small ? "" : more(hidden.queue)}`)
    title("workers", `workers ${stats.running}/${stats.targetSize}`)
    title("server", `server ${server.active}/${settings.serverCapacity}`)
    context.strokeStyle = colors.line
    context.lineWidth = 1.5
    for (let index = 0; index < stats.targetSize; index++) {
      const { x, y } = this.worker(index)
      context.beginPath()
      context.arc(x, y, this.radius + 1.5, 0, 2 * Math.PI)
      context.stroke()
    }
    // The server: its capacity as a mark on a bar, and its requests as the bar's height.
    const [left, right] = areas.server
    const height = this.height - top - bottom
    const scale = height / Math.max(2 * settings.serverCapacity, server.active, 1)
    const x = left * this.width
    const width = Math.min((right - left) * this.width, 56)
    context.strokeRect(x, top, width, height)
    context.fillStyle = server.active > settings.serverCapacity ? colors.bad : colors.good
    context.fillRect(x, top + height - server.active * scale, width, server.active * scale)
    context.fillStyle = colors.text
    context.fillRect(x - 4, top + height - settings.serverCapacity * scale - 1, width + 8, 2)
    context.strokeStyle = colors.faint
    context.setLineDash([3, 4])
    for (const area of ["queue", "workers", "server"] as const) {
      const line = areas[area][0] * this.width - 0.02 * this.width
      context.beginPath()
      context.moveTo(line, top - 8)
      context.lineTo(line, this.height - bottom)
      context.stroke()
    }
    context.setLineDash([])
  }
}

const colorOf = ({ key, place }: Dot, colors: Colors): string => {
  if (place === "done") return colors.good
  if (place === "failed" || place === "rejected" || place === "dropped") return colors.bad
  return key === undefined ? colors.task : `hsl(${hues[key % hues.length]} 65% 50%)`
}

const letterOf = ({ key, weight }: Dot, order: string): string =>
  order === "priority" ? `${weight}` : key === undefined ? "" : String.fromCharCode(65 + key)
