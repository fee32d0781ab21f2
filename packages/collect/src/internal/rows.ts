/** The rows of parts, and their totals. */

/**
 * One row of a part.
 *
 * @category models
 * @since 0.1.0
 */
export interface Row {
  readonly flowRunId: string
  readonly taskRunId: string
  readonly taskSlug: string | null
  /** The name of the state's type. */
  readonly state: string
  /** -1 when the run is not a mapped child. */
  readonly mapIndex: number
  readonly outcome: RowOutcome
}

/**
 * The content of a row: the value as JSON text, the reason why there is none, or, for a mapped parent, the number of
 * children that follow.
 *
 * @category models
 * @since 0.1.0
 */
export type RowOutcome =
  | { readonly _tag: "Value"; readonly json: string }
  | { readonly _tag: "Failure"; readonly reason: string; readonly message: string }
  | { readonly _tag: "Mapped"; readonly children: number }

/**
 * The totals of a part's rows.
 *
 * @category models
 * @since 0.1.0
 */
export interface Summary {
  readonly rows: number
  readonly results: number
  readonly failures: Readonly<Record<string, number>>
  readonly firstMapIndex: number | null
  readonly lastMapIndex: number | null
}

/**
 * Counts rows as they are encoded.
 *
 * @category counting
 * @since 0.1.0
 */
export class Counter {
  rows = 0
  results = 0
  readonly failures: Record<string, number> = {}
  firstMapIndex: number | null = null
  lastMapIndex: number | null = null

  add(mapIndex: number, failure: string | undefined, isValue: boolean): void {
    this.rows++
    if (isValue) this.results++
    if (failure !== undefined) this.failures[failure] = (this.failures[failure] ?? 0) + 1
    if (mapIndex < 0) return
    this.firstMapIndex ??= mapIndex
    this.lastMapIndex = mapIndex
  }

  addRow({ mapIndex, outcome }: Row): void {
    this.add(mapIndex, outcome._tag === "Failure" ? outcome.reason : undefined, outcome._tag === "Value")
  }

  get summary(): Summary {
    return {
      rows: this.rows,
      results: this.results,
      failures: Object.fromEntries(Object.entries(this.failures).sort(([left], [right]) => left < right ? -1 : 1)),
      firstMapIndex: this.firstMapIndex,
      lastMapIndex: this.lastMapIndex
    }
  }
}
