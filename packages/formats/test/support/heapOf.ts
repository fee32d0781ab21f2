/** Prints the heap that decoded values take, and their estimates. Run with --expose-gc, in a process of its own. */
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as ValueSize from "@effect-prefect/formats/ValueSize"
import * as Effect from "effect/Effect"
import { once } from "node:events"
import { parentPort, Worker } from "node:worker_threads"

const list = <A>(length: number, make: (index: number) => A) => Array.from({ length }, (_, index) => make(index))
const json = (value: unknown) => [JSON.stringify(value), "x.json"] as const

const inputs: Record<string, () => readonly [text: string, name: string, format?: ResultFormat.Format]> = {
  "json integers": () => json(list(500_000, (i) => i)),
  "json floats": () => json(list(300_000, (i) => i + 0.5)),
  "json texts": () => json(list(150_000, (i) => `row number ${i} of it`)),
  "json objects": () => json(list(60_000, (id) => ({ id, name: `n${id}`, share: id + 0.5 }))),
  "json lists": () => json(list(40_000, (i) => [i, i + 1, i + 2, i + 3])),
  "json one object": () => json(Object.fromEntries(list(60_000, (i) => [`key${i}`, i]))),
  csv: () => [`id,name,share\n${list(60_000, (i) => `${i},name ${i} of many,${i + 0.5}`).join("\n")}`, "x.csv"],
  "pandas json": () => [JSON.stringify(list(60_000, (id) => ({ id, name: `name ${id}` }))), "x", "pandas-json"],
  "pickle texts": () => [
    `(l${list(100_000, (i) => `Vrow number ${i} of it\na`).join("")}.`,
    "x",
    "pickle"
  ],
  text: () => ["hello wörld ".repeat(200_000), "x", "text"]
}

const collect = globalThis.gc!
const heap = () => {
  for (let run = 0; run < 4; run++) collect()
  // Long strings and the bytes of arrays are outside of the heap.
  const { external, heapUsed } = process.memoryUsage()
  return heapUsed + external
}

const decode = (bytes: Uint8Array, name: string, format?: ResultFormat.Format) =>
  Effect.runPromise(
    ResultFormat.decode(bytes, { name, maxBytes: 2 ** 28, ...(format === undefined ? {} : { format }) })
  )

const measure = async (kind: string) => {
  const [text, name, format] = inputs[kind]!()
  const bytes = new TextEncoder().encode(text)
  await decode(new TextEncoder().encode("[1]"), "x.json")
  const before = heap()
  const value = await decode(bytes, name, format)
  const used = heap() - before
  return { used, estimate: ValueSize.estimate(value) }
}

if (parentPort !== null) parentPort.postMessage(await measure(process.argv[2]!), [])
else {
  // A thread for each kind: code that has read other kinds before makes lists of another representation.
  const measured: Record<string, unknown> = {}
  for (const kind of process.argv.slice(2)) {
    const thread = new Worker(new URL(import.meta.url), { argv: [kind] })
    const [sizes] = await once(thread, "message")
    measured[kind] = sizes
    await thread.terminate()
  }
  console.log(JSON.stringify(measured))
}
