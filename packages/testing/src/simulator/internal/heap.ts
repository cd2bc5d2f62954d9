/** A binary min-heap of slots by key, with removal from the middle: the order in which a server's tasks end. */
export class SlotHeap {
  size = 0
  private readonly keys: Float64Array
  private readonly slots: Int32Array
  private readonly place: Int32Array

  constructor(capacity: number) {
    this.keys = new Float64Array(capacity)
    this.slots = new Int32Array(capacity)
    this.place = new Int32Array(capacity).fill(-1)
  }

  /** The smallest key; `Infinity` when empty. */
  min(): number {
    return this.size === 0 ? Infinity : this.keys[0]!
  }

  has(slot: number): boolean {
    return this.place[slot]! >= 0
  }

  push(slot: number, key: number): void {
    this.up(this.size++, slot, key)
  }

  pop(): number {
    const slot = this.slots[0]!
    this.remove(slot)
    return slot
  }

  /** The slot must be in the heap. */
  remove(slot: number): void {
    const at = this.place[slot]!
    this.place[slot] = -1
    const last = --this.size
    if (at === last) return
    const moved = this.slots[last]!
    const key = this.keys[last]!
    if (at > 0 && this.keys[(at - 1) >> 1]! > key) this.up(at, moved, key)
    else this.down(at, moved, key)
  }

  private put(at: number, slot: number, key: number): void {
    this.slots[at] = slot
    this.keys[at] = key
    this.place[slot] = at
  }

  private up(from: number, slot: number, key: number): void {
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (this.keys[parent]! <= key) break
      this.put(at, this.slots[parent]!, this.keys[parent]!)
      at = parent
    }
    this.put(at, slot, key)
  }

  private down(from: number, slot: number, key: number): void {
    let at = from
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.size) break
      if (child + 1 < this.size && this.keys[child + 1]! < this.keys[child]!) child++
      if (this.keys[child]! >= key) break
      this.put(at, this.slots[child]!, this.keys[child]!)
      at = child
    }
    this.put(at, slot, key)
  }
}
