import * as Turn from "@effect-prefect/core/Turn"
import * as Effect from "effect/Effect"

/** What is sorted or merged in one step: less than two milliseconds with the slowest of the orders. */
export const atOnce = 4_096

/** Whether a list is short enough to be sorted without giving way. */
export const isShort = (list: ReadonlyArray<unknown>): boolean => list.length <= atOnce

/**
 * Sorts stably, in steps: the engine's own sort is one step, of a second for a million rows in any order.
 *
 * `size` is that of the parts that the engine sorts, which are then merged.
 */
export function* sortSteps<A>(
  list: ReadonlyArray<A>,
  order: (left: A, right: A) => number,
  size = atOnce
): Generator<undefined, Array<A>> {
  if (list.length <= size) return list.toSorted(order)
  let runs: Array<Array<A>> = []
  for (let at = 0; at < list.length; at += size) {
    const run = list.slice(at, at + size).sort(order)
    const last = runs.at(-1)
    // Most lists are in order already, and their parts need not be merged.
    if (last !== undefined && order(last.at(-1)!, run[0]!) <= 0) { for (const item of run) last.push(item) }
    else runs.push(run)
    yield
  }
  while (runs.length > 1) {
    const merged: Array<Array<A>> = []
    for (let at = 0; at < runs.length; at += 2) {
      const right = runs[at + 1]
      merged.push(right === undefined ? runs[at]! : yield* mergeSteps(runs[at]!, right, order, size))
    }
    runs = merged
  }
  return runs[0]!
}

function* mergeSteps<A>(
  left: ReadonlyArray<A>,
  right: ReadonlyArray<A>,
  order: (left: A, right: A) => number,
  size: number
): Generator<undefined, Array<A>> {
  const merged: Array<A> = []
  let fromLeft = 0
  let fromRight = 0
  while (fromLeft < left.length || fromRight < right.length) {
    const isLeft = fromRight === right.length ||
      fromLeft < left.length && order(left[fromLeft]!, right[fromRight]!) <= 0
    merged.push(isLeft ? left[fromLeft++]! : right[fromRight++]!)
    if (merged.length % size === 0) yield
  }
  return merged
}

/** Does something in steps, while other work has its turns between them. */
const inTurns = <A>(make: () => Generator<undefined, A>): Effect.Effect<A> =>
  Effect.suspend(() => {
    const steps = make()
    const step = steps.next()
    return step.done === true ? Effect.succeed(step.value) : goOn(steps)
  })

const goOn = Effect.fnUntraced(function*<A>(steps: Generator<undefined, A>) {
  for (;;) {
    if (Turn.isLong()) yield* Turn.next
    const step = steps.next()
    if (step.done === true) return step.value
  }
})

/** Sorts stably, while other work has its turns. */
export const sorted = <A>(list: ReadonlyArray<A>, order: (left: A, right: A) => number): Effect.Effect<Array<A>> =>
  inTurns(() => sortSteps(list, order))

/** Calls back with the items from one position until a call returns true, while other work has its turns. */
export const visited = <A>(
  list: ReadonlyArray<A>,
  visit: (item: A, at: number) => boolean | void,
  from = 0
): Effect.Effect<void> => inTurns(() => visitSteps(list, visit, from))

function* visitSteps<A>(
  list: ReadonlyArray<A>,
  visit: (item: A, at: number) => boolean | void,
  from: number
): Generator<undefined, void> {
  for (let at = from; at < list.length; at++) {
    if (visit(list[at]!, at) === true) return
    if ((at - from + 1) % atOnce === 0) yield
  }
}

/** The items for which something is true, while other work has its turns. */
export const filtered = <A>(
  list: ReadonlyArray<A>,
  isWanted: (item: A, at: number) => boolean
): Effect.Effect<Array<A>> =>
  Effect.suspend(() => {
    const found: Array<A> = []
    const keep = (item: A, at: number) => {
      if (isWanted(item, at)) found.push(item)
    }
    return Effect.as(visited(list, keep), found)
  })

/** Makes something of each item, while other work has its turns. */
export const mapped = <A, B>(list: ReadonlyArray<A>, make: (item: A, at: number) => B): Effect.Effect<Array<B>> =>
  Effect.suspend(() => isShort(list) ? Effect.succeed(list.map(make)) : mappedInTurns(list, make))

const mappedInTurns = <A, B>(list: ReadonlyArray<A>, make: (item: A, at: number) => B): Effect.Effect<Array<B>> => {
  const out: Array<B> = []
  return Effect.as(visited(list, (item, at) => void out.push(make(item, at))), out)
}
