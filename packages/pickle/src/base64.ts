const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

interface WithBase64 {
  toBase64(): string
}

interface Globals {
  readonly Buffer?: {
    from(buffer: ArrayBufferLike, offset: number, length: number): { toString(encoding: string): string }
  }
}

/** Bytes as base64, by the engine when it can. */
export const base64 = (bytes: Uint8Array): string => {
  if (typeof (bytes as Partial<WithBase64>).toBase64 === "function") return (bytes as unknown as WithBase64).toBase64()
  const { Buffer } = globalThis as Globals
  if (Buffer !== undefined) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64")
  const parts: Array<string> = []
  for (let at = 0; at < bytes.length; at += 3) {
    const word = (bytes[at]! << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    const left = bytes.length - at
    parts.push(
      alphabet[word >> 18]! + alphabet[(word >> 12) & 63]! + (left > 1 ? alphabet[(word >> 6) & 63]! : "=") +
        (left > 2 ? alphabet[word & 63]! : "=")
    )
  }
  return parts.join("")
}
