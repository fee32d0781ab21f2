import { LongText } from "../longText.ts"

/** Joins the bytes of one array after the other; a single array is returned unchanged. */
export const joined = (chunks: ReadonlyArray<Uint8Array>, size: number): Uint8Array => {
  if (chunks.length === 1) return chunks[0]!
  const bytes = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.byteLength
  }
  return bytes
}

/** The chunks after which small ones are joined. */
const together = 256
/** Chunks of fewer bytes, on average, are small: they would take much more memory than their bytes. */
const smallChunk = 1024

/** Bytes that are decoded between two steps. */
const part = 0x80000

/**
 * A body that arrives in chunks. A server may send a byte at a time, each of which comes as an array of its own, or as a
 * view that keeps a larger buffer alive: many small ones are joined before the next ones arrive.
 */
export class Body {
  /** The bytes that have arrived. */
  size = 0
  private readonly chunks: Array<Uint8Array> = []
  /** The number of chunks that arrived since small ones were last joined. */
  private recent = 0
  private recentBytes = 0

  /** The arrays that hold the body. */
  get count(): number {
    return this.chunks.length
  }

  add(chunk: Uint8Array): void {
    if (chunk.byteLength === 0) return
    this.chunks.push(chunk)
    this.size += chunk.byteLength
    this.recent++
    this.recentBytes += chunk.byteLength
    if (this.recent < together) return
    if (this.recentBytes < together * smallChunk) {
      this.chunks.push(joined(this.chunks.splice(-this.recent), this.recentBytes))
    }
    this.recent = 0
    this.recentBytes = 0
  }

  bytes(): Uint8Array {
    return joined(this.chunks, this.size)
  }

  /** The text of the body, in steps. */
  *text(): Generator<undefined, LongText> {
    // In one call where it is short: a decoder that goes on from call to call takes longer.
    if (this.size <= part) return new LongText([new TextDecoder().decode(this.bytes())])
    const decoder = new TextDecoder()
    const texts: Array<string> = []
    let text = ""
    for (const chunk of this.chunks) {
      for (let from = 0; from < chunk.byteLength; from += part) {
        text += decoder.decode(chunk.subarray(from, from + part), { stream: true })
        if (text.length >= part) {
          texts.push(text)
          text = ""
        }
        yield
      }
    }
    texts.push(text + decoder.decode())
    return new LongText(texts)
  }
}
