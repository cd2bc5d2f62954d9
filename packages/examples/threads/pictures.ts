/** Pictures in a folder of this machine. */
import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { PNG } from "pngjs"

export interface PicturesOptions {
  readonly count: number
  readonly width: number
  readonly height: number
  /** The number of the picture whose file is broken. */
  readonly broken: number
}

/** Writes `0.png`, `1.png` and so on to a new folder, and returns its path. */
export const makePictures = ({ broken, count, height, width }: PicturesOptions): string => {
  const folder = mkdtempSync(join(tmpdir(), "pictures-"))
  const image = new PNG({ width, height })
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) image.data.set([x & 255, y & 255, (x * y) >> 8, 255], (y * width + x) * 4)
  }
  const bytes = PNG.sync.write(image, { deflateLevel: 1 })
  for (let i = 0; i < count; i++) writeFileSync(join(folder, `${i}.png`), i === broken ? bytes.subarray(0, 999) : bytes)
  return folder
}
