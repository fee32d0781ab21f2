/**
 * What a benchmark is: one work, done by us and, in the same process tree and in turns with us, by peers and by what the
 * machine can do at most. Only the ratios mean something elsewhere, so only ratios have targets.
 */

/** One who does the work. State that `open` makes lives in the closure and goes in `close`. */
export interface Contender {
  readonly name: string
  /** Needs a Python: runs with `--peers` only. */
  readonly python?: boolean
  /** Before the first run, outside the time. */
  readonly open?: () => unknown
  /**
   * Does all of the work once. Its time is taken by the harness, or by itself when it returns one: a process beside us
   * takes its own, and memory is measured by who allocates it.
   */
  readonly run: () => void | Measured | Promise<void | Measured>
  /** After the last run, and after a failure. */
  readonly close?: () => unknown
}

/** What a run measured itself: milliseconds, or megabytes in a row that shows those. */
export interface Measured {
  readonly measured: number
}

export interface Row {
  /** What is done, as a line of the table. */
  readonly work: string
  /** How many items a run does, of which the table shows the rate. */
  readonly count: number
  /** What the numbers are: items a second (default), milliseconds of a run, or megabytes. */
  readonly show?: "rate" | "ms" | "MB"
  readonly ours: Contender
  readonly peers?: ReadonlyArray<Contender>
  /** The least that any program would need for the same result on this machine. */
  readonly limit?: Contender
  /** How many times better than the first peer, and which part of the limit, we have to be. */
  readonly target?: { readonly peer?: number; readonly limit?: number }
  /** How often each runs after one run that does not count; 5 by default. */
  readonly runs?: number
}
