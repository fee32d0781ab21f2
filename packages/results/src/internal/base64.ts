/** Decodes base64 in stored bytes: with Node's `Buffer`, which is fastest, and otherwise with browser APIs. */

const hasBuffer = typeof Buffer !== "undefined"

const decoder = new TextDecoder("latin1")

/** Bytes as text, a character a byte; without a Buffer that holds of ASCII only, as base64 is. */
export const asciiOf = (bytes: Uint8Array): string =>
  hasBuffer
    ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1")
    : decoder.decode(bytes)

/** Whether bytes contain the characters of an ASCII text. */
export const includes = (bytes: Uint8Array, text: string): boolean =>
  hasBuffer
    ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(text)
    : decoder.decode(bytes).includes(text)

/** The bytes of a base64 text; invalid characters are ignored. */
export const decodeBase64 = (text: string): Uint8Array => {
  if (hasBuffer) return Buffer.from(text, "base64")
  const digits = text.replace(/[^A-Za-z0-9+/]/g, "")
  const binary = atob(digits.length % 4 === 1 ? digits.slice(0, -1) : digits)
  return Uint8Array.from(binary, (character) => character.charCodeAt(0))
}
