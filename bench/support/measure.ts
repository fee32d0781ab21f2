/** Runs the contenders of a row in turns and returns the median of each. */
import type { Contender, Row, Work } from "./row.ts"

export interface Figure {
  readonly name: string
  /** The median: milliseconds of a run, or megabytes. */
  readonly median: number
  /** The fastest and the slowest run. */
  readonly range: readonly [number, number]
}

export interface Result extends Work {
  readonly ours: Figure
  readonly peers: ReadonlyArray<Figure>
  readonly limit?: Figure
  /** The factor by which we are better than each peer, in the order of `peers`. */
  readonly peerRatios: ReadonlyArray<number>
  /** The fraction of the limit that we reach: 1 is the limit. */
  readonly limitRatio?: number
  /** Whether the row's targets are met; undefined when this run could compare none of them. */
  readonly met?: boolean
}

/** How a run is measured: by elapsed time, or by the processor time of this process and its threads. */
export interface Options {
  readonly python: boolean
  readonly processor?: boolean
  /** Instead of the row's own number of runs. */
  readonly runs?: number | undefined
  /** So many seconds after the warm-up no further run begins; each contender has one in any case. Default: no limit. */
  readonly seconds?: number | undefined
}

const processorTime = () => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}

const once = async (contender: Contender, keepsCode: boolean, { processor = false }: Options): Promise<number> => {
  if (!keepsCode) globalThis.gc?.()
  const now = processor ? processorTime : () => performance.now()
  const start = now()
  const own = await contender.run()
  return own?.measured ?? now() - start
}

const figure = (name: string, values: ReadonlyArray<number>): Figure => {
  const sorted = values.toSorted((left, right) => left - right)
  const at = (index: number) => sorted[index] ?? Number.NaN
  const middle = (sorted.length - 1) / 2
  return { name, median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2, range: [at(0), at(sorted.length - 1)] }
}

const warmUps = ({ warmUp = true }: Row, { python }: Contender): number =>
  python === true ? Math.min(1, Number(warmUp)) : Number(warmUp)

/** Measures a row; `python` includes the contenders that require a Python. */
export const measure = async (row: Row, options: Options): Promise<Result> => {
  const peers = (row.peers ?? []).filter((peer) => options.python || peer.python !== true)
  const contenders = [row.ours, ...peers, ...(row.limit === undefined ? [] : [row.limit])]
  const values = new Map<Contender, Array<number>>(contenders.map((contender) => [contender, []]))
  const opened: Array<Contender> = []
  try {
    for (const contender of contenders) {
      opened.push(contender)
      await contender.open?.()
      for (let left = warmUps(row, contender); left > 0; left--) await once(contender, row.keepsCode === true, options)
    }
    const end = performance.now() + (options.seconds ?? Number.POSITIVE_INFINITY) * 1000
    for (let run = 0; run < (options.runs ?? row.runs ?? 5) && (run === 0 || performance.now() < end); run++) {
      for (const [contender, list] of values) {
        const value = await once(contender, row.keepsCode === true, options)
        if (!Number.isNaN(value)) list.push(value)
      }
    }
  } finally {
    for (const contender of opened.toReversed()) await contender.close?.()
  }
  const figureOf = (contender: Contender) => figure(contender.name, values.get(contender) ?? [])
  const ours = figureOf(row.ours)
  if (Number.isNaN(ours.median)) {
    throw new Error("it was not measured: the row before it, which measures it too, failed")
  }
  const peerFigures = peers.map(figureOf)
  const peerRatios = peerFigures.map((peer) => peer.median / ours.median)
  const limit = row.limit === undefined ? undefined : figureOf(row.limit)
  const limitRatio = limit === undefined ? undefined : limit.median / ours.median
  // The target is one for the first peer, which a run without Python may not have.
  const first = row.peers?.[0]
  const firstRatio = first === undefined ? undefined : peerRatios[peers.indexOf(first)]
  const compared = [
    row.target?.peer === undefined || firstRatio === undefined ? [] : [firstRatio >= row.target.peer],
    row.target?.limit === undefined || limitRatio === undefined ? [] : [limitRatio >= row.target.limit]
  ].flat()
  const { count, show, target, work } = row
  return {
    work,
    count,
    ...(show === undefined ? {} : { show }),
    ...(target === undefined ? {} : { target }),
    ours,
    peers: peerFigures,
    peerRatios,
    ...(limit === undefined ? {} : { limit }),
    ...(limitRatio === undefined ? {} : { limitRatio }),
    ...(compared.length === 0 ? {} : { met: compared.every(Boolean) })
  }
}
