/**
 * The files of the demo: the source files of the installed `effect` package, with the hashes of their bodies.
 */
import * as Digest from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"

/** A file on disk, and the SHA-256 that the received body must have. */
export interface SourceFile {
  /** Relative to the source folder, with `/` between the parts. */
  readonly path: string
  readonly bytes: number
  readonly sha256: string
}

/** The folder with the source files of the installed `effect` package. */
export const sourceFolder = Effect.flatMap(Path.Path, (path) =>
  Effect.map(path.fromFileUrl(new URL(import.meta.resolve("effect/package.json"))), (manifest) =>
    path.join(path.dirname(manifest), "src")
  )
)

/** The paths of all source files in a folder, sorted within each folder. */
export const listFiles = (root: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fileSystem) => fileSystem.glob("**/*.ts", { root }))

/** Reads the first `count` files of a folder from disk and hashes them. */
export const readFiles = Effect.fnUntraced(function* (root: string, count: number) {
  const fileSystem = yield* FileSystem.FileSystem
  const { join } = yield* Path.Path
  const { digestHex } = yield* Digest.Digest
  const paths = yield* listFiles(root)
  return yield* Effect.forEach(
    paths.slice(0, count),
    Effect.fnUntraced(function* (path) {
      const body = yield* fileSystem.readFile(join(root, path))
      const file: SourceFile = { path, bytes: body.length, sha256: yield* digestHex(Digest.sha256, body) }
      return file
    }),
    { concurrency: 8 }
  )
})
