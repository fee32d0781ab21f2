/** Prints the peak of memory in MB of a process that reads one pickle: `memory.ts READER FILE`. */
import { loads } from "@effect-prefect/pickle"
import jpickle from "jpickle"
import { readFileSync } from "node:fs"
import { deserialize } from "node:v8"
import { Parser } from "pickleparser"

const [reader = "", file = ""] = process.argv.slice(2)
const bytes = readFileSync(file)
const readers: Readonly<Record<string, () => unknown>> = {
  ours: () => loads(bytes),
  "ours, maps": () => loads(bytes, { dicts: "map" }),
  pickleparser: () => new Parser().parse(bytes),
  jpickle: () => jpickle.loads(bytes.toString("binary")),
  "JSON.parse": () => JSON.parse(bytes.toString("utf8")) as unknown,
  "v8.deserialize": () => deserialize(bytes) as unknown
}
const value = readers[reader]!()
console.log(value === undefined ? "nothing" : process.resourceUsage().maxRSS / 1024)
