import { afterEach, assert, describe, it, vi } from "@effect/vitest"
import { Door } from "../src/internal/door.ts"

describe("the door of requests", () => {
  afterEach(() => vi.restoreAllMocks())

  /** What happened in each turn of the event loop until nothing more does: names of requests that were begun. */
  const turnsOf = async (
    prepare: (enter: (name: string, address?: string) => void) => void,
    { accepts = false, isGone = () => false, most = 10_000, refused = [] }: {
      readonly isGone?: (name: string) => boolean
      readonly accepts?: boolean
      readonly most?: number
      readonly refused?: Array<string>
    } = {}
  ) => {
    let now = 1_000_000
    vi.spyOn(performance, "now").mockImplementation(() => now)
    const door = new Door(128, most)
    const turns: Array<Array<string>> = [[]]
    const enter = (name: string, address = "one") =>
      door.enter({
        address,
        refuse: () => void refused.push(name),
        begin: () => {
          now += 2
          turns.at(-1)!.push(name)
        },
        isGone: () => isGone(name)
      })
    prepare(enter)
    for (let quiet = 0; quiet < 300; quiet++) {
      await new Promise((resolve) => setImmediate(resolve))
      if (turns.at(-1)!.length > 0) quiet = 0
      if (accepts) door.accepted()
      turns.push([])
    }
    return turns
  }
  const names = (count: number, prefix: string) => Array.from({ length: count }, (_, index) => `${prefix}${index}`)

  it("lets few in at a time, in order, with turns of others in between", async () => {
    const all = names(50, "")
    const turns = await turnsOf((enter) => {
      for (const name of all) enter(name)
    })
    assert.deepStrictEqual(turns.flat(), all)
    assert.isAtMost(Math.max(...turns.map(({ length }) => length)), 3)
    const busy = turns.flatMap(({ length }, turn) => length > 0 ? [turn] : [])
    for (const [index, turn] of busy.entries()) if (index > 0) assert.isAtLeast(turn - busy[index - 1]!, 4)
  })
  it("leaves more turns while connections are accepted, but not all", async () => {
    const turns = await turnsOf((enter) => {
      for (const name of names(9, "")) enter(name)
    }, { accepts: true })
    const busy = turns.flatMap(({ length }, turn) => length > 0 ? [turn] : [])
    assert.lengthOf(busy, 3)
    assert.isAtLeast(busy[2]! - busy[1]!, 100)
    assert.isAtMost(busy[2]! - busy[1]!, 140)
  })
  it("does not let in whose client has gone meanwhile", async () => {
    const turns = await turnsOf((enter) => {
      for (const name of names(5_000, "")) enter(name)
      enter("last")
    }, { isGone: (name) => name !== "last" })
    assert.deepStrictEqual(turns.flat(), ["0", "1", "2", "last"])
  })
  it("lets the addresses in by turns, those of each in order", async () => {
    const turns = await turnsOf((enter) => {
      for (const name of names(20, "a")) enter(name, "a")
      for (const name of names(2, "b")) enter(name, "b")
      enter("c0", "c")
    })
    assert.deepStrictEqual(turns.flat().slice(0, 9), ["a0", "a1", "a2", "a3", "b0", "c0", "a4", "b1", "a5"])
    assert.deepStrictEqual(turns.flat().slice(9), names(20, "a").slice(6))
  })
  it("refuses of too many the last one of the address that has most, and none because of those that have gone", async () => {
    const refused: Array<string> = []
    const gone = new Set(["a5", "a6"])
    const turns = await turnsOf((enter) => {
      // Three enter at once.
      for (const name of names(13, "a")) enter(name, "a")
      for (const name of names(3, "b")) enter(name, "b")
      enter("a13", "a")
    }, { isGone: (name) => gone.has(name), refused, most: 10 })
    assert.deepStrictEqual(refused, ["a12", "a13"])
    assert.deepStrictEqual(
      turns.flat().toSorted(),
      [
        ...names(12, "a").filter((name) => !gone.has(name)),
        ...names(3, "b")
      ].toSorted()
    )
  })
})
