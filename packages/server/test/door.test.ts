import { afterEach, assert, describe, it, vi } from "@effect/vitest"
import { Door } from "../src/internal/door.ts"

describe("the door of requests", () => {
  afterEach(() => vi.restoreAllMocks())

  /** What happened in each turn of the event loop until nothing more does: names of requests that were begun. */
  const turnsOf = async (
    prepare: (enter: (name: string) => void) => {
      readonly isGone?: (name: string) => boolean
      readonly accepts?: boolean
    }
  ) => {
    let now = 1_000_000
    vi.spyOn(performance, "now").mockImplementation(() => now)
    const door = new Door(128)
    const turns: Array<Array<string>> = [[]]
    const enter = (name: string) =>
      door.enter({
        begin: () => {
          now += 2
          turns.at(-1)!.push(name)
        },
        isGone: () => gone.isGone?.(name) === true
      })
    const gone = prepare(enter)
    for (let quiet = 0; quiet < 300; quiet++) {
      await new Promise((resolve) => setImmediate(resolve))
      if (turns.at(-1)!.length > 0) quiet = 0
      if (gone.accepts === true) door.accepted()
      turns.push([])
    }
    return turns
  }
  const names = (count: number, prefix: string) => Array.from({ length: count }, (_, index) => `${prefix}${index}`)

  it("lets few in at a time, in order, with turns of others in between", async () => {
    const all = names(50, "")
    const turns = await turnsOf((enter) => {
      for (const name of all) enter(name)
      return {}
    })
    assert.deepStrictEqual(turns.flat(), all)
    assert.isAtMost(Math.max(...turns.map(({ length }) => length)), 3)
    const busy = turns.flatMap(({ length }, turn) => length > 0 ? [turn] : [])
    for (const [index, turn] of busy.entries()) if (index > 0) assert.isAtLeast(turn - busy[index - 1]!, 4)
  })
  it("leaves more turns while connections are accepted, but not all", async () => {
    const turns = await turnsOf((enter) => {
      for (const name of names(9, "")) enter(name)
      return { accepts: true }
    })
    const busy = turns.flatMap(({ length }, turn) => length > 0 ? [turn] : [])
    assert.lengthOf(busy, 3)
    assert.isAtLeast(busy[2]! - busy[1]!, 100)
    assert.isAtMost(busy[2]! - busy[1]!, 140)
  })
  it("does not let in whose client has gone meanwhile", async () => {
    const turns = await turnsOf((enter) => {
      for (const name of names(5_000, "")) enter(name)
      enter("last")
      return { isGone: (name) => name !== "last" }
    })
    assert.deepStrictEqual(turns.flat(), ["0", "1", "2", "last"])
  })
})
