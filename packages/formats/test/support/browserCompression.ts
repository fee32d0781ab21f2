/**
 * Decompresses as a browser does, without modules of Node.js, and prints as JSON what came of each: the text, or why
 * there is none. An argument is `kind:limit:base64`; the first one is whether the browser knows zstd.
 */
import * as Effect from "effect/Effect"
import { Duplex } from "node:stream"
import * as zlib from "node:zlib"

// Not all versions of Node.js have that of zstd.
const kinds: Record<string, () => Duplex> = {
  gzip: zlib.createGunzip,
  deflate: zlib.createInflate,
  zstd: zlib.createZstdDecompress
}
const [knowsZstd, ...inputs] = process.argv.slice(2)
Object.defineProperty(globalThis, "DecompressionStream", {
  value: function(kind: string) {
    if (kind === "zstd" && knowsZstd !== "true") throw new TypeError("unknown")
    return Duplex.toWeb(kinds[kind]!())
  }
})
Object.defineProperty(process, "getBuiltinModule", { value: undefined })
const { decompress, decompressSmall } = await import("../../src/internal/compression/compression.ts")

const read = (input: string) => {
  const [kind, limit, base64] = input.split(":") as ["gzip" | "zlib" | "zstd", string, string]
  const bytes = Buffer.from(base64, "base64")
  const limits = { maxBytes: Number(limit), maxRatio: 1_000 }
  return decompress(kind, bytes, limits).pipe(Effect.match({
    onFailure: (error) => `${error.reason._tag}: ${error.message}`,
    onSuccess: (plain) => decompressSmall(kind, bytes, limits) === undefined ? Buffer.from(plain).toString() : "at once"
  }))
}

console.log(JSON.stringify(await Effect.runPromise(Effect.forEach(inputs, read))))
