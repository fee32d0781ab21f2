/** The targets of a projection: data and text. */
import { setKey } from "../json.ts"
import type { Steps } from "../steps.ts"
import type { Sink } from "./walk.ts"

/**
 * A JSON value.
 *
 * @category models
 * @since 0.1.0
 */
export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

export class ValueSink implements Sink {
  root: Json = null
  readonly #stack: Array<Array<unknown> | Record<string, unknown>> = []
  readonly #keys: Array<string> = []
  #key = ""
  #put(value: unknown): void {
    const top = this.#stack[this.#stack.length - 1]
    if (top === undefined) this.root = value as Json
    else if (Array.isArray(top)) top.push(value)
    else setKey(top, this.#key, value)
  }
  scalar(value: null | boolean | number | string): void {
    this.#put(value)
  }
  key(key: string): void {
    this.#key = key
  }
  #open(container: Array<unknown> | Record<string, unknown>): void {
    this.#put(container)
    this.#stack.push(container)
    this.#keys.push(this.#key)
  }
  *long(parts: Iterable<string>, isKey: boolean): Steps<void> {
    let text = ""
    for (const part of parts) {
      text += part
      yield
    }
    if (isKey) this.key(text)
    else this.scalar(text)
  }
  openArray(): void {
    this.#open([])
  }
  openObject(): void {
    this.#open({})
  }
  close(): unknown {
    this.#key = this.#keys.pop() ?? ""
    return this.#stack.pop()
  }
  again(made: unknown): void {
    this.#put(made)
  }
}

/**
 * A number past 2^53 - 1 is a float, because such an int is a string. A reader with arbitrary-precision integers would
 * read its shortest digits followed by zeros as another integer; with an exponent they are read as the float.
 */
const numberText = (value: number): string =>
  Math.abs(value) > Number.MAX_SAFE_INTEGER ? value.toExponential() : JSON.stringify(value)

/** Text that was appended to takes several times its length, until it is read. */
export const flat = (text: string): string => {
  text.charCodeAt(text.length - 1)
  return text
}

export class TextSink implements Sink {
  text = ""
  /** The text before the next value. */
  #separator = ""
  readonly #ends: Array<string> = []
  scalar(value: null | boolean | number | string): void {
    this.text += this.#separator +
      (typeof value === "string" ? JSON.stringify(value) : typeof value === "number" ? numberText(value) : `${value}`)
    this.#separator = ","
  }
  readonly values = (text: string): void => {
    this.text += this.#separator + text
    this.#separator = ","
  }
  key(key: string): void {
    this.text += `${this.#separator}${JSON.stringify(key)}:`
    this.#separator = ""
  }
  *long(parts: Iterable<string>, isKey: boolean): Steps<void> {
    this.text += `${this.#separator}"`
    for (const part of parts) {
      this.text += JSON.stringify(part).slice(1, -1)
      yield
    }
    this.text += isKey ? "\":" : "\""
    this.#separator = isKey ? "" : ","
  }
  openArray(): void {
    this.text += `${this.#separator}[`
    this.#separator = ""
    this.#ends.push("]")
  }
  openObject(): void {
    this.text += `${this.#separator}{`
    this.#separator = ""
    this.#ends.push("}")
  }
  close(): void {
    this.text += this.#ends.pop() ?? ""
    this.#separator = ","
  }
}
