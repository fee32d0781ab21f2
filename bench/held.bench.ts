/**
 * How long decoding and showing a large value block other work: the longest processor time between two turns of a 5 ms
 * timer. The same work without yielding, which blocks for its whole duration, is measured beside it.
 */
import { empty } from "@effect-prefect/formats/ClassRegistry"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as Flechette from "@uwdata/flechette"
import * as Effect from "effect/Effect"
import { readFeather } from "../packages/formats/src/internal/arrow/feather.ts"
import { jsonBytesSteps } from "../packages/formats/src/internal/jsonPieces.ts"
import { readCsv } from "../packages/formats/src/internal/readers/csv.ts"
import { readPickle } from "../packages/formats/src/internal/readers/pickle.ts"
import { toEnd } from "../packages/formats/src/internal/steps.ts"
import { heldBy as held } from "./support/held.ts"
import type { Row } from "./support/row.ts"

const heldBy = (effect: Effect.Effect<unknown, unknown>): Promise<number> => held(() => Effect.runPromise(effect))

type Format = "JSON" | "CSV" | "pickle" | "pickle dict" | "pickle set" | "wide CSV" | "Arrow"

const records = (megabytes: number) =>
  Array.from({ length: megabytes * 20_000 }, (_, id) => ({ id, name: `row ${id}`, share: id / 7 }))

const key = (index: number): string => `X\x0a\0\0\0k${String(index).padStart(9, "0")}`

/** A pickle of an empty container, to which batches of a thousand items are added. */
const batches = (start: string, end: string, count: number, item: (index: number) => string): string =>
  `\x80\x04${start}${
    Array.from({ length: Math.ceil(count / 1_000) }, (_, batch) =>
      `(${
        Array.from({ length: 1_000 }, (_, index) => item(batch * 1_000 + index)).join("")
      }${end}`).join("")
  }.`

/** About this number of megabytes. */
const inputs: Record<Format, (megabytes: number) => string | Uint8Array> = {
  "pickle dict": (megabytes: number) => batches("}", "u", megabytes * 58_000, (index) => `${key(index)}K\x01`),
  "pickle set": (megabytes: number) => batches("\x8f", "\x90", megabytes * 66_000, key),
  "wide CSV": (megabytes: number) =>
    `${Array.from({ length: megabytes * 66_000 }, (_, id) => `c${id}`).join(",")}\n${
      "12345,".repeat(megabytes * 66_000 - 1)
    }1\n`,
  Arrow: (megabytes: number) =>
    Flechette.tableToIPC(
      Flechette.tableFromArrays({ share: Float64Array.from({ length: megabytes * 125_000 }, (_, id) => id / 7) }),
      { format: "stream" }
    )!,
  JSON: (megabytes: number) => JSON.stringify(records(megabytes)),
  CSV: (megabytes: number) =>
    `id,name,share\n${Array.from({ length: megabytes * 30_000 }, (_, id) => `${id},row ${id},${id / 7}`).join("\n")}`,
  pickle: (megabytes: number) =>
    `\x80\x02](${
      Array.from({ length: megabytes * 100 }, (_, batch) =>
        `${batch === 0 ? "" : "("}${`K\x01X\x04\0\0\0abcd`.repeat(900)}e`).join("")
    }.`
}

const atOnce: Record<Format, (bytes: Uint8Array) => unknown> = {
  JSON: (bytes) => toEnd(jsonBytesSteps(bytes)),
  CSV: (bytes) => toEnd(readCsv(bytes, 2 ** 30)),
  pickle: (bytes) => readPickle(bytes, empty, 2 ** 30),
  "pickle dict": (bytes) => readPickle(bytes, empty, 2 ** 30),
  "pickle set": (bytes) => readPickle(bytes, empty, 2 ** 30),
  "wide CSV": (bytes) => toEnd(readCsv(bytes, 2 ** 30)),
  Arrow: (bytes) => toEnd(readFeather(bytes, 2 ** 30, false))
}

const decodeRows = (format: Format, megabytes: number): Row => {
  let bytes = new Uint8Array(0)
  const open = () => {
    const content = inputs[format](megabytes)
    bytes = typeof content === "string" ? new Uint8Array(Buffer.from(content, "latin1")) : new Uint8Array(content)
  }
  const close = () => {
    bytes = new Uint8Array(0)
  }
  return {
    work: `held by ${format} of ${megabytes} MB`,
    count: 1,
    show: "ms",
    runs: 3,
    ours: {
      name: "giving way",
      open,
      close,
      run: async () => ({
        measured: await heldBy(
          ResultFormat.decode(bytes, { name: format.endsWith("CSV") ? "x.csv" : "x", maxBytes: 2 ** 30 })
        )
      })
    },
    peers: [{
      name: "at once",
      open,
      close,
      run: async () => ({ measured: await heldBy(Effect.sync(() => void atOnce[format](bytes))) })
    }]
  }
}

const projection = (megabytes: number): Row => {
  let value: unknown
  const open = () => {
    value = records(megabytes)
  }
  return {
    work: `held by the projection of ${megabytes} MB`,
    count: 1,
    show: "ms",
    runs: 3,
    ours: {
      name: "giving way",
      open,
      run: async () => ({ measured: await heldBy(JsonProjection.toText(value)) })
    },
    peers: [{
      name: "at once",
      open,
      run: async () => ({
        measured: await heldBy(Effect.sync(() => {
          for (const _ of JsonProjection.toChunks(value)) { /* to the end */ }
        }))
      })
    }]
  }
}

export const rows: ReadonlyArray<Row> = [1, 100, 256].flatMap((megabytes) => [
  ...(["JSON", "CSV", "pickle"] as const).map((format) => decodeRows(format, megabytes)),
  projection(megabytes)
]).concat(
  [1, 20].flatMap((megabytes) =>
    (["pickle dict", "pickle set", "wide CSV", "Arrow"] as const).map((format) => decodeRows(format, megabytes))
  )
)
