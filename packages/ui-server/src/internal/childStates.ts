/** The states of mapped children as run lengths: 100 000 children in a few kilobytes. */
import type { TaskRunSummary } from "@effect-prefect/api/Backend"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import { ChildrenIncomplete, ResultError } from "@effect-prefect/results/ResultError"
import type * as Models from "@effect-prefect/ui-api/Models"
import * as Stream from "effect/Stream"
import { inTurns } from "./streams.ts"

const missing = -1

/** How many children are numbered, and written as JSON, before other requests have a turn. */
const childrenAtOnce = 256
/** A part has no more children, or about so many run lengths, whichever comes first. */
const mostInPart = 10_000
const mostRunsInPart = 1000

/** Every part repeats the names, so that only so many are told apart; the states after them share a last name. */
const maxNames = 250
const others = "other states"

/** Numbers the names of states in the order in which they come. */
class Names {
  readonly list: Array<string> = []
  characters = 0
  readonly #codes = new Map<string, number>()

  codeOf(state: string): number {
    const known = this.#codes.get(state)
    if (known !== undefined) return known
    if (this.list.length > maxNames) return maxNames
    const code = this.list.length
    const name = code === maxNames ? others : state
    this.list.push(name)
    this.characters += name.length
    this.#codes.set(name, code)
    return code
  }
}

/** Encodes the states of children, which arrive in map order, as run lengths. */
export class RunLengths {
  readonly #names = new Names()
  #runs: Array<[number, number]> = []
  #start: number
  #hasPart = false
  /** The next expected map index. */
  next: number
  found = 0
  problem: string | undefined
  readonly #expected: number | null

  constructor(after: number, expected: number | null) {
    this.#start = after
    this.next = after + 1
    this.#expected = expected
  }

  #push(code: number, count: number): void {
    const last = this.#runs.at(-1)
    if (last !== undefined && last[0] === code) last[1] += count
    else this.#runs.push([code, count])
  }

  see(mapIndex: number, state: string): void {
    this.found++
    if (mapIndex < this.next) {
      this.problem ??= `child ${mapIndex} is there more than once`
      return
    }
    if (mapIndex > this.next) {
      this.problem ??= `child ${this.next} is missing, and child ${mapIndex} is there`
      this.#push(missing, mapIndex - this.next)
    }
    if (this.#expected !== null && mapIndex >= this.#expected) {
      this.problem ??= `child ${mapIndex} is there, and n_map_states is ${this.#expected}`
    }
    this.#push(this.#names.codeOf(state), 1)
    this.next = mapIndex + 1
  }

  /** Whether a part of the runs so far is worth the names that it repeats; the first is. */
  get isDue(): boolean {
    return !this.#hasPart || this.next - this.#start > mostInPart ||
      this.#runs.length >= Math.max(mostRunsInPart, this.#names.characters)
  }

  /** The runs since the last part. */
  take(): Models.ChildStates {
    const part = { after: this.#start, names: [...this.#names.list], runs: this.#runs }
    this.#start = this.next - 1
    this.#runs = []
    this.#hasPart = true
    return part
  }

  /** The missing children at the end. */
  finish(): void {
    if (this.#expected !== null && this.next < this.#expected) {
      this.problem ??= `child ${this.next} is missing, and n_map_states is ${this.#expected}`
      this.#push(missing, this.#expected - this.next)
      this.next = this.#expected
    }
  }
}

export const childStates = <E>(
  summaries: Stream.Stream<TaskRunSummary, E>,
  parent: TaskRunView,
  after: number
): Stream.Stream<Models.ChildStates, E> =>
  Stream.suspend(() => {
    const expected = State.isMapped(parent.state) ? parent.state.nMapStates ?? null : null
    const runs = new RunLengths(after, expected)
    const parts = inTurns(summaries, childrenAtOnce).pipe(
      Stream.mapArray((array): [Models.ChildStates | undefined] => {
        for (const { mapIndex, state } of array) runs.see(mapIndex, state)
        return [runs.isDue ? runs.take() : undefined]
      }),
      Stream.filter((part) => part !== undefined)
    )
    const last = Stream.suspend(() => {
      runs.finish()
      const { problem } = runs
      const part = runs.take()
      const sentence = problem === undefined ? undefined : new ResultError({
        taskRunId: parent.taskRunId,
        taskSlug: parent.taskSlug,
        mapIndex: parent.mapIndex,
        reason: new ChildrenIncomplete({ detail: problem, found: runs.found, expected })
      }).message
      return Stream.succeed(sentence === undefined ? part : { ...part, problem: sentence })
    })
    return Stream.concat(parts, last)
  })

const millis = (iso: string | null): number | null => {
  const value = iso === null ? NaN : Date.parse(iso)
  return Number.isNaN(value) ? null : value
}

export const childTimes = <E>(summaries: Stream.Stream<TaskRunSummary, E>): Stream.Stream<Models.ChildTimes, E> =>
  Stream.suspend(() => {
    const names = new Names()
    return Stream.mapArray(inTurns(summaries, childrenAtOnce), (array): [Models.ChildTimes] => {
      const rows = array.map(({ endTime, mapIndex, startTime, state }) =>
        [mapIndex, names.codeOf(state), millis(startTime), millis(endTime)] as const
      )
      return [{ names: [...names.list], rows }]
    })
  })
