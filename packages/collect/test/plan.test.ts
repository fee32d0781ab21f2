/** Selections are cut into parts: fixed ranges in a fixed order. */
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import * as Collect from "@effect-prefect/collect/Collect"
import * as Plan from "@effect-prefect/collect/CollectPlan"
import * as ResultOptions from "@effect-prefect/results/ResultOptions"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { json, mapped, single, storage, tables, world } from "./support/world.ts"

const planOf = (
  data: ReturnType<typeof tables>,
  partRows: number,
  selection: Plan.Selection = { all: true },
  allowUnfinished = false
) =>
  Collect.plan({ selection, output: { format: "jsonl", partRows }, allowUnfinished }).pipe(
    Effect.provide(world(data, new Map()))
  )

const shown = (part: Plan.Part) => {
  switch (part._tag) {
    case "Children":
      return `${part.taskSlug}(${part.after},${part.until ?? "∞"}) ${part.rows}`
    case "TaskRuns":
      return `${part.flowRunId} ${part.from?.taskSlug ?? "^"}…${part.until?.taskSlug ?? "$"} ${part.rows}`
    case "FlowRuns":
      return `${part.flowRunIds.join("+")} ${part.rows}`
  }
}

describe("the limit of bytes in a plan", () => {
  it.effect("is that of the program or, where it has none, that of the storage", () =>
    Effect.gen(function*() {
      const data = tables({ run: [single("run", "a-1")] })
      const limit = (options: Layer.Layer<never>) =>
        Collect.plan({ selection: { all: true }, output: { format: "jsonl" } }).pipe(
          Effect.map(({ limits }) => limits.maxBytes),
          Effect.provide(
            Layer.mergeAll(
              MemoryApi.layer(data),
              Layer.provide(storage().layer, ResultOptions.layer({ maxBytes: 10 })),
              options
            )
          )
        )
      assert.strictEqual(yield* limit(Layer.empty), 10)
      assert.strictEqual(yield* limit(ResultOptions.layer({ maxBytes: 20 })), 20)
    }))
})

describe("the limits of a worker", () => {
  it.effect("are those that the program gave, though they are the defaults and its storage has lower ones", () =>
    Effect.gen(function*() {
      const data = tables({ run: [single("run", "a-1")] })
      const files = new Map<string, Uint8Array>()
      const low = Layer.provide(storage().layer, ResultOptions.layer({ maxBytes: 5 }))
      const { maxBytes } = ResultOptions.defaults
      yield* Collect.run({ selection: { all: true }, output: { format: "jsonl" } }).pipe(
        Effect.provide(Layer.merge(world(data, files, { storage: low }), ResultOptions.layer({ maxBytes })))
      )
      const text = [...files].map(([, bytes]) => new TextDecoder().decode(bytes)).join("\n")
      assert.include(text, "\"value\":{\"at\":\"/srv/run-a-1.json\"}")
      assert.notInclude(text, "ResultTooLarge")
    }))
})

describe("cutting", () => {
  it.effect("a mapped task is cut at multiples of the rows of a part, and its parent goes before it", () =>
    Effect.gen(function*() {
      const expected: Record<number, ReadonlyArray<string>> = {
        0: ["run ^…$ 1"],
        1: ["run ^…$ 2"],
        9: ["run ^…$ 10"],
        10: ["run b-1…$ 1", "b-1(-1,∞) 10"],
        11: ["run b-1…$ 1", "b-1(-1,10) 10", "b-1(9,∞) 1"],
        20: ["run b-1…$ 1", "b-1(-1,10) 10", "b-1(9,∞) 10"],
        21: ["run b-1…$ 1", "b-1(-1,10) 10", "b-1(9,20) 10", "b-1(19,∞) 1"]
      }
      for (const [count, parts] of Object.entries(expected)) {
        const plan = yield* planOf(tables({ run: [mapped("run", "b-1", Number(count))] }), 10)
        assert.deepStrictEqual(plan.parts.map(shown), parts)
        assert.strictEqual(plan.expected, Number(count) + 1)
        assert.deepStrictEqual(plan.parts.map(({ part }) => part), parts.map((_, at) => at))
      }
    }))

  it.effect("a number of children that cannot be believed gives few parts, which hold all that are there", () =>
    Effect.gen(function*() {
      const indices = [0, 1, 2, 12_000]
      for (const nMapStates of [1e9, 1e15]) {
        const plan = yield* planOf(tables({ run: [mapped("run", "b-1", 0, { nMapStates, indices })] }), 1)
        assert.strictEqual(plan.parts.length, 10_001)
        assert.strictEqual(shown(plan.parts.at(-1)!).split(" ")[0], "b-1(9998,∞)")
      }
    }))

  it.effect("small neighbours are packed around large tasks, in code point order of their slugs", () =>
    Effect.gen(function*() {
      const plan = yield* planOf(
        tables({
          run: [
            single("run", "z-1"),
            mapped("run", "m-1", 7),
            single("run", "a-1"),
            mapped("run", "B-1", 2),
            single("run", "y-1"),
            single("run", "é-1")
          ]
        }),
        4
      )
      assert.deepStrictEqual(plan.parts.map(shown), [
        "run B-1…m-1 4",
        "run m-1…y-1 1",
        "m-1(-1,4) 4",
        "m-1(3,∞) 3",
        "run y-1…$ 3"
      ])
    }))

  it.effect("whole flow runs are packed in the order of their creation, and large ones are cut", () =>
    Effect.gen(function*() {
      const data = tables({
        one: [single("one", "a-1")],
        two: [single("two", "a-1"), single("two", "b-1")],
        large: [mapped("large", "c-1", 6)],
        none: [],
        three: [single("three", "a-1")],
        four: [single("four", "a-1")]
      })
      const plan = yield* planOf(data, 3)
      assert.deepStrictEqual(plan.parts.map(shown), [
        "one+two 3",
        "large c-1…$ 1",
        "c-1(-1,3) 3",
        "c-1(2,∞) 3",
        "three+four 2"
      ])
    }))

  it.effect("children without a parent, and parents without children, are cut too", () =>
    Effect.gen(function*() {
      const plan = yield* planOf(
        tables({ run: [mapped("run", "a-1", 3, { parent: false }), mapped("run", "b-1", 0, { nMapStates: 5 })] }),
        2
      )
      assert.deepStrictEqual(plan.parts.map(shown), [
        "a-1(-1,2) 2",
        "a-1(1,∞) 1",
        "run b-1…$ 1",
        "b-1(-1,2) null",
        "b-1(1,4) null",
        "b-1(3,∞) null"
      ])
      assert.strictEqual(plan.expected, null)
      assert.deepStrictEqual(plan.incomplete.map(({ expected, found, taskSlug }) => [taskSlug, expected, found]), [[
        "b-1",
        5,
        0
      ]])
    }))

  it.effect("more than 10 million rows get larger parts, unless their size is given", () => {
    const api = (count: number) =>
      Layer.effect(
        PrefectApi.PrefectApi,
        Effect.map(PrefectApi.PrefectApi, (api) => ({
          ...api,
          countMappedChildren: () => Effect.succeed({ Success: count })
        }))
      ).pipe(Layer.provide(MemoryApi.layer(tables({ run: [mapped("run", "b-1", 1, { nMapStates: count })] }))))
    const partRows = (count: number, given?: number) =>
      Effect.map(
        Collect.plan({ selection: { all: true }, output: { format: "jsonl", partRows: given } }).pipe(
          Effect.provide(world(tables({}), new Map(), { api: api(count) }))
        ),
        ({ output }) => output.partRows
      )
    return Effect.gen(function*() {
      assert.strictEqual(yield* partRows(9_999_999), 20_000)
      assert.strictEqual(yield* partRows(10_000_000), 50_000)
      assert.strictEqual(yield* partRows(10_000_000, 20_000), 20_000)
    })
  })

  it.effect("one task of a flow run alone", () =>
    Effect.gen(function*() {
      const data = tables({ run: [single("run", "a-1"), mapped("run", "b-1", 3), single("run", "c-1")] })
      const plan = yield* planOf(data, 10, { flowRunIds: ["run"], taskSlug: "b-1" })
      assert.strictEqual(plan.expected, 4)
    }))
})

describe("a plan", () => {
  const data = tables({ run: [single("run", "a-1"), mapped("run", "b-1", 25)], other: [single("other", "a-1")] })

  it.effect("is the same for the same data, but for the time", () =>
    Effect.gen(function*() {
      const first = yield* planOf(data, 10)
      const second = yield* planOf({ ...data, task_run: [...data.task_run!].reverse() }, 10)
      assert.deepStrictEqual({ ...second, created: first.created }, first)
      assert.match(first.job, /^[0-9a-f]{32}$/)
      assert.notStrictEqual(first.job, (yield* planOf(data, 11)).job)
      assert.notStrictEqual(first.job, (yield* planOf(data, 10, { flowRunIds: ["run"] })).job)
    }))

  it.effect("reads no result, and names the places that they lie in", () => {
    const read = storage()
    return Effect.gen(function*() {
      const plan = yield* Collect.plan({ selection: { all: true }, output: { format: "jsonl" } })
      assert.deepStrictEqual(plan.needs, ["/srv"])
      assert.deepStrictEqual(read.reads, [])
    }).pipe(Effect.provide(world(data, new Map(), { storage: read.layer })))
  })

  it.effect("refuses a flow run that has not finished, unless told otherwise", () =>
    Effect.gen(function*() {
      const running = tables({ run: [single("run", "a-1")] }, { state: { type: "Running" } })
      const error = yield* Effect.flip(planOf(running, 10))
      assert.strictEqual(error.reason._tag, "FlowRunUnfinished")
      assert.strictEqual((yield* planOf(running, 10, { all: true }, true)).expected, 1)
    }))

  it.effect("of nothing is refused", () =>
    Effect.gen(function*() {
      for (const selection of [{ all: true }, { flowName: "weekly" }] as const) {
        const error = yield* Effect.flip(planOf(tables({ none: [] }), 10, selection))
        assert.strictEqual(error.reason._tag, "NothingToCollect")
      }
      const error = yield* Effect.flip(planOf(data, 10, { flowRunIds: ["nowhere"] }))
      assert.strictEqual(error.reason._tag, "FlowRunNotFound")
    }))
})

describe("typed columns", () => {
  it.effect("are the members that all of the first results of mapped tasks share", () => {
    const values: Record<string, unknown> = {
      "/srv/0.json": { id: 1, name: "a", at: "2020-01-01T00:00:00Z", ratio: 1, gone: null, mixed: 1, extra: 1 },
      "/srv/1.json": { id: 2, name: "b", at: "2020-01-01T00:00:00Z", ratio: 1.5, gone: null, mixed: "x" },
      "/srv/2.json": { id: "x" }
    }
    const data = tables({ run: [mapped("run", "a-1", 3), single("run", "b-1")] })
    const plan = (infer: number) =>
      Effect.map(
        Collect.plan({ selection: { all: true }, output: { format: "jsonl" }, infer }).pipe(
          Effect.provide(world(data, new Map(), { storage: storage((location) => json(values[location] ?? 1)).layer }))
        ),
        ({ output }) => output.columns
      )
    return Effect.gen(function*() {
      assert.deepStrictEqual(yield* plan(2), [
        { name: "at", type: "timestamp" },
        { name: "id", type: "int64" },
        { name: "name", type: "string" },
        { name: "ratio", type: "double" }
      ])
      assert.deepStrictEqual(yield* plan(3), [])
    })
  })
})

describe("inferred columns", () => {
  it.effect("have one type that every value fits, whichever comes first", () => {
    const columns = (values: ReadonlyArray<unknown>) =>
      Effect.map(
        Collect.plan({ selection: { all: true }, output: { format: "jsonl" }, infer: 10 }).pipe(
          Effect.provide(
            world(tables({ run: [mapped("run", "a-1", values.length)] }), new Map(), {
              storage: storage((location) => json({ v: values[Number(/\d+/.exec(location)![0])] })).layer
            })
          )
        ),
        ({ output }) => output.columns.map(({ type }) => type)
      )
    const time = "2020-01-01T00:00:00Z"
    const cases: ReadonlyArray<readonly [ReadonlyArray<unknown>, ReadonlyArray<Plan.Column["type"]>]> = [
      [[1, 2], ["int64"]],
      [[1, 1.5], ["double"]],
      [[1, null], ["int64"]],
      [[null, 1.5, 2], ["double"]],
      [[null, null], []],
      [[time, "x"], ["string"]],
      [[time, null], ["timestamp"]],
      [[1, "x"], []],
      [[1, true], []],
      [[{ a: 1 }, { a: 2 }], []],
      [[[1], [2]], []],
      [[1, { a: 1 }], []],
      [["9007199254740993", "x"], ["string"]]
    ]
    return Effect.gen(function*() {
      for (const [values, types] of cases) {
        assert.deepStrictEqual(yield* columns(values), types, JSON.stringify(values))
        assert.deepStrictEqual(yield* columns([...values].reverse()), types, JSON.stringify(values))
      }
    })
  })
})

describe("names", () => {
  it("have six digits or more", () => {
    const output = { format: "jsonl", compression: "zstd", partRows: 1, columns: [] } as const
    assert.strictEqual(Plan.partName(7, output), "part-000007.jsonl.zst")
    assert.strictEqual(Plan.partName(7, { ...output, compression: "gzip" }), "part-000007.jsonl.gz")
    assert.strictEqual(Plan.partName(7, { ...output, format: "parquet" }), "part-000007.parquet")
    assert.strictEqual(Plan.recordName(999_999), "_records/part-999999.json")
    assert.strictEqual(Plan.partOfRecord("_records/part-000012.json"), 12)
    assert.strictEqual(Plan.partOfRecord("part-000012.json"), undefined)
    assert.strictEqual(Plan.numberOfManifest(Plan.manifestName(1)), 1)
    assert.strictEqual(Plan.numberOfManifest(Plan.manifestName(12)), 12)
    assert.strictEqual(Plan.numberOfManifest("_manifest-parts.jsonl"), undefined)
  })

  it("canonical JSON does not depend on the order of keys", () => {
    assert.strictEqual(Plan.canonicalJson({ b: [{ d: 1, c: null }], a: "x" }), `{"a":"x","b":[{"c":null,"d":1}]}`)
  })
})
