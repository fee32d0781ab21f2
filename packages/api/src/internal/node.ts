/**
 * Modules of Node.js; undefined in a browser. They are loaded by a call, because an import of `node:…` would break a
 * bundle for browsers.
 */
const builtin = globalThis.process?.getBuiltinModule

export const fs = builtin?.("node:fs/promises")

export const os = builtin?.("node:os")

export const tls = builtin?.("node:tls")

export const http = builtin?.("node:http")

export const https = builtin?.("node:https")

/** A path whose `~` at the start is the user's home. */
export const withoutHome = (path: string): string =>
  /^~(?=$|[/\\])/.test(path) ? `${os?.homedir() ?? "~"}${path.slice(1)}` : path

/** The most bytes of profiles and certificates. */
const maxTextBytes = 2 ** 24

const nonBlocking = builtin?.("node:fs").constants.O_NONBLOCK ?? 0

/** Milliseconds to wait for the writer of a pipe, and between looks at it. */
const maxWait = 10_000
const look = 20

const failure = (code: string) => Object.assign(new Error(), { code })

/**
 * The text of a file of at most `maxBytes` bytes, without a byte order mark, which editors of Windows write. Pipes and devices are read within the same limit and never block a
 * thread, because a process cannot end before its threads. A browser has no files.
 */
export const readText = async (
  path: string,
  { maxBytes = maxTextBytes, signal }: { readonly maxBytes?: number; readonly signal?: AbortSignal | undefined } = {}
): Promise<string> => {
  if (fs === undefined) throw failure("ENOENT")
  const file = await fs.open(path, nonBlocking)
  try {
    const stats = await file.stat()
    if (stats.size > maxBytes) throw failure("EFBIG")
    const decoder = new TextDecoder()
    const chunk = new Uint8Array(Math.min(maxBytes + 1, 0x10000))
    let text = ""
    let size = 0
    for (let waited = 0;;) {
      signal?.throwIfAborted()
      const found = await file.read(chunk, 0, chunk.length, null).catch((error: unknown) => {
        if ((error as { readonly code?: unknown }).code === "EAGAIN") return undefined
        throw error
      })
      // A pipe without a writer reads as if it were at its end.
      if (found === undefined || (found.bytesRead === 0 && size === 0 && stats.isFIFO())) {
        if ((waited += look) > maxWait) throw failure("ETIMEDOUT")
        await new Promise((resolve) => setTimeout(resolve, look))
        continue
      }
      if (found.bytesRead === 0) return text + decoder.decode()
      size += found.bytesRead
      if (size > maxBytes) throw failure("EFBIG")
      text += decoder.decode(chunk.subarray(0, found.bytesRead), { stream: true })
    }
  } finally {
    await file.close()
  }
}
