import { afterEach, assert, describe, it, vi } from "@effect/vitest"

/** The modules as another runtime with a `process` loads them, anew for each. */
const load = async (name: string, v8: object | undefined) => {
  vi.spyOn(process, "getBuiltinModule").mockImplementation((id) => (id === "node:v8" ? v8 : undefined) as never)
  const formats: unknown = await import(`../src/internal/node.ts?${name}`)
  const results: unknown = await import(`../../results/src/ResultOptions.ts?${name}`)
  return {
    heapLimit: (formats as { readonly heapLimit: number }).heapLimit,
    maxMemory: (results as { readonly defaults: { readonly maxMemory: number } }).defaults.maxMemory
  }
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe("runtimes with some modules of Node.js", () => {
  const most = { heapLimit: Infinity, maxMemory: 512 * 1024 * 1024 }

  for (
    const [name, v8] of [
      ["without that of V8", undefined],
      ["which counts no memory", {}],
      ["which knows no limit", { getHeapStatistics: () => ({ heap_size_limit: 0 }) }]
    ] as const
  ) {
    it(`have no limit of the heap: ${name}`, async () => {
      assert.deepStrictEqual(await load(encodeURIComponent(name), v8), most)
    })
  }

  it("have that limit of the heap which they know", async () => {
    const v8 = { getHeapStatistics: () => ({ heap_size_limit: 1024 }) }
    assert.deepStrictEqual(await load("known", v8), { heapLimit: 1024, maxMemory: 256 })
  })
})
