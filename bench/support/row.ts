/**
 * The definition of a benchmark: one work, done in the same process tree and in turns by us, by peers and by the
 * fastest code that the machine allows. Only the ratios are meaningful on other machines, so only ratios have targets.
 */

/** A contender. State that `open` makes is kept in the closure and released in `close`. */
export interface Contender {
  readonly name: string
  /** Requires a Python: runs with `--peers` only. */
  readonly python?: boolean
  /** Before the first run, not timed. */
  readonly open?: () => unknown
  /**
   * Does all of the work once. The harness measures its time, unless it returns one: a separate process measures its
   * own, and memory is measured where it is allocated.
   */
  readonly run: () => void | Measured | Promise<void | Measured>
  /** After the last run, and after a failure. */
  readonly close?: () => unknown
}

/**
 * A run's own measurement: milliseconds, or megabytes in a row of memory. NaN is none: a row that another one measures has
 * no more of them than that one had runs.
 */
export interface Measured {
  readonly measured: number
}

/** What the table says of a row. */
export interface Work {
  /** The work, as a line of the table. */
  readonly work: string
  /** The number of items per run, from which the table computes the rate. */
  readonly count: number
  /** The unit of the numbers: items per second (default), milliseconds per run, or megabytes. */
  readonly show?: "rate" | "ms" | "MB"
  /** The factor over the first peer, and the fraction of the limit, that we must reach. */
  readonly target?: { readonly peer?: number; readonly limit?: number }
}

export interface Row extends Work {
  readonly ours: Contender
  readonly peers?: ReadonlyArray<Contender>
  /** The minimum that any program would need for the same result on this machine. */
  readonly limit?: Contender
  /** The number of runs after the warm-up; default 5. */
  readonly runs?: number
  /**
   * Whether the code that V8 has compiled is kept between the runs: no full collection of garbage, which discards most of
   * it, comes before each. Default false. For the work of a process that goes on.
   */
  readonly keepsCode?: boolean
  /**
   * Whether each contender does the work once before it is measured, or how often it does, but in Python; default true.
   * Needless in a work of a minute. A process that goes on needs as many as V8 needs to compile what is called, however
   * few runs are measured.
   */
  readonly warmUp?: boolean | number
}
