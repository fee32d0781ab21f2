import * as Effect from "effect/Effect"
import { randomUUID } from "node:crypto"
import * as fs from "node:fs/promises"
import { CommandFailed } from "./errors.ts"

const failed = (path: string) => (cause: unknown) =>
  new CommandFailed({ message: `cannot write ${path} (${(cause as NodeJS.ErrnoException).code ?? "unknown error"})` })

/**
 * Writes a file that is there whole or not at all: a new one beside it takes its name when it is complete, and is taken
 * away when it does not come to that, Ctrl-C included.
 */
export const writeFileAtomic = (path: string, content: string | Uint8Array): Effect.Effect<void, CommandFailed> => {
  const partial = `${path}.${randomUUID()}.partial`
  // Opened and closed without interruption: a file that is still being opened could appear after it was taken away.
  return Effect.acquireUseRelease(
    Effect.tryPromise({ try: () => fs.open(partial, "wx"), catch: failed(path) }),
    (file) => Effect.tryPromise({ try: (signal) => file.writeFile(content, { signal }), catch: failed(path) }),
    (file) => Effect.tryPromise({ try: () => file.close(), catch: failed(path) })
  ).pipe(
    Effect.andThen(Effect.tryPromise({ try: () => fs.rename(partial, path), catch: failed(path) })),
    Effect.onError(() => Effect.promise(() => fs.rm(partial, { force: true })))
  )
}
