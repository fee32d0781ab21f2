/**
 * A text of any length in parts. Joined, they would be copied in one step as soon as anything looks at a character: 60 MB
 * take longer than others may have to wait.
 */
export class LongText {
  readonly length: number
  private readonly parts: ReadonlyArray<string>
  /** The part that was looked at last, and where it begins and ends. */
  private part = ""
  private start = 0
  private end = 0
  private index = -1

  constructor(parts: ReadonlyArray<string>) {
    this.parts = parts
    let length = 0
    for (const part of parts) length += part.length
    this.length = length
  }

  /** Makes the part that has a place the current one; the last part where none has it. */
  private find(at: number): void {
    if (at < this.start) {
      this.index = -1
      this.end = 0
    }
    while (this.index < this.parts.length - 1 && at >= this.end) {
      this.part = this.parts[++this.index]!
      this.start = this.end
      this.end += this.part.length
    }
  }

  /** The part that has a place, and where it begins. */
  partAt(at: number): { readonly part: string; readonly start: number } {
    if (at < this.start || at >= this.end) this.find(at)
    return { part: this.part, start: this.start }
  }

  /** As `String.charCodeAt`. */
  charCodeAt(at: number): number {
    if (at < this.start || at >= this.end) this.find(at)
    return this.part.charCodeAt(at - this.start)
  }

  /** As `String.slice`, of two places. */
  slice(from: number, to: number): string {
    if (from < this.start || from >= this.end) this.find(from)
    let text = this.part.slice(Math.max(0, from - this.start), Math.max(0, to - this.start))
    for (let at = this.end, index = this.index + 1; at < to && index < this.parts.length; index++) {
      const part = this.parts[index]!
      text += part.slice(0, to - at)
      at += part.length
    }
    return text
  }

  /** Where a text begins between two places, or -1. */
  indexOf(text: string, from: number, to: number): number {
    for (let start = from; start < to; start += searched) {
      const found = this.slice(start, Math.min(start + searched + text.length - 1, to)).indexOf(text)
      if (found >= 0) return start + found
    }
    return -1
  }
}

/** Characters that are searched at a time. */
const searched = 0x10000
