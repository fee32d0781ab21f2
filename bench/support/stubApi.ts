/**
 * A Prefect 1 GraphQL API that generates its rows: one mapped task run with `count` children, whose results are the
 * files `root/0.pickle`, `root/1.pickle`, … It answers our queries and those of Prefect's own Python client, each after
 * `delay` milliseconds. It is a separate process, so that its cost is not counted as that of its clients.
 *
 * node bench/support/stubApi.ts '{"count": 10000, "delay": 5, "root": "/tmp/x"}' prints its URL and serves.
 */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

export interface StubOptions {
  readonly count: number
  readonly delay: number
  readonly root: string
  /** The location of the results: files below `root`, or objects of this S3 bucket. */
  readonly bucket?: string
}

const uuid = (prefix: string, index: number): string =>
  `${prefix}-0000-4000-8000-${index.toString(16).padStart(12, "0")}`
export const parentId = uuid("11111111", 0)
export const flowRunId = uuid("22222222", 0)
const taskId = uuid("33333333", 0)
const task = `"task_id":"${taskId}","task":{"id":"${taskId}","slug":"score-1"},"flow_run_id":"${flowRunId}"`

const parent = (count: number): string =>
  `{"id":"${parentId}","name":"score",${task},"map_index":-1,"serialized_state":{"__version__":"1.4.1","type":"Mapped",` +
  `"message":"Mapped tasks submitted for execution.","context":{"tags":[]},"cached_inputs":{},"n_map_states":${count}}}`

const child = ({ bucket, root }: StubOptions) => {
  const result = bucket === undefined
    ? (index: number) =>
      `{"type":"LocalResult","__version__":"1.4.1","location":"${root}/${index}.pickle","dir":"${root}"}`
    : (index: number) => `{"type":"S3Result","__version__":"1.4.1","location":"${index}.pickle","bucket":"${bucket}"}`
  return (index: number): string =>
    `{"id":"${uuid("44444444", index)}","name":"score[${index}]",${task},"map_index":${index},"serialized_state":` +
    `{"__version__":"1.4.1","type":"Success","message":"Task run succeeded.","context":{"tags":[]},"cached_inputs":{},` +
    `"_result":${result(index)}}}`
}

interface Variables {
  readonly after?: number
  readonly limit?: number
  readonly where?: unknown
}

interface Body {
  readonly query: string
  readonly variables?: Variables | string | null
}

/** Prefect's client rejects a column that it has not selected. */
const answer = (options: StubOptions, body: string): string => {
  const parsed = JSON.parse(body) as Body
  const rows = rowsOf(options, parsed)
  return /\btask_id\b(?!\s*:)/.test(parsed.query) ? rows : rows.replaceAll(`"task_id":"${taskId}",`, "")
}

/** The map index after which rows are asked for. Our cursor is a second condition, beyond the first. */
const afterOf = ({ after, where }: Variables): number | undefined => {
  const bounds = [...JSON.stringify(where ?? null).matchAll(/"map_index":\{"_gt":(-?\d+)\}/g)]
  return bounds.length === 0 ? after : Math.max(...bounds.map(([, bound]) => Number(bound)))
}

const rowsOf = (options: StubOptions, { query, variables }: Body): string => {
  const row = child(options)
  const given = typeof variables === "object" && variables !== null ? variables : {}
  const after = afterOf(given)
  if (after !== undefined) {
    const rows: Array<string> = []
    const end = Math.min(options.count, after + 1 + (given.limit ?? options.count))
    for (let index = after + 1; index < end; index++) rows.push(row(index))
    return rows.join(",")
  }
  const asked = /map_index:\s*\{\s*_eq:\s*(-?\d+)/.exec(query)?.[1]
  if (asked !== undefined) {
    const index = Number(asked)
    return index < 0 ? parent(options.count) : index < options.count ? row(index) : ""
  }
  if (/map_index:\s*\{\s*_neq:/.test(query)) {
    return Array.from({ length: options.count }, (_, index) => row(index)).join(",")
  }
  return parent(options.count)
}

if (process.argv[1] === import.meta.filename) {
  const options = JSON.parse(process.argv[2]!) as StubOptions
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const text = `{"data":{"task_run":[${answer(options, Buffer.concat(chunks).toString())}]}}`
      setTimeout(() => response.setHeader("content-type", "application/json").end(text), options.delay)
    })
  })
  server.listen(0, "127.0.0.1", () => {
    console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  })
}
