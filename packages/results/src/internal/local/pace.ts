/**
 * Decides whether calls to the file system are made on this thread, where they cost a fraction of handing them to another
 * one, or not: for a while after two in a row that took longer than memory does. A single one that did may have waited for
 * the processor rather than for a disk.
 */
export class Pace {
  private readonly slow: number
  private readonly during: number
  private left = 0
  private wasSlow = false

  /** `slow` are the milliseconds of a call that is slow, `during` the number of calls that other threads then make. */
  constructor(slow: number, during: number) {
    this.slow = slow
    this.during = during
  }

  /** Whether the next call is made on this thread. */
  get isFast(): boolean {
    return this.left === 0
  }

  /** A call is made by another thread. */
  skip(): void {
    if (this.left > 0) this.left--
  }

  /** A call was made on this thread, and took some milliseconds. */
  took(milliseconds: number): void {
    const isSlow = milliseconds > this.slow
    if (isSlow && this.wasSlow) this.left = this.during
    this.wasSlow = isSlow
  }
}
