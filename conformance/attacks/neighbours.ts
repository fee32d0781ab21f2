/**
 * Clients of `serve` that send queries at the limit of what is allowed, or beyond: other clients must still be served.
 */
import assert from "node:assert/strict"
import { setTimeout as sleep } from "node:timers/promises"
import { check } from "../support/check.ts"
import { archive, manyTaskRuns } from "../support/hostileArchive.ts"
import { startPostgres } from "../support/postgres.ts"
import { fillFromArchive, readerUrl } from "../support/prefectDatabase.ts"
import { ask, countOf, rowsOf, serve } from "../support/served.ts"

const multiplying = "{ task_run { flow_run { task_runs { flow_run { task_runs { flow_run { id } } } } } } }"
const small = "{ flow(limit: 1) { id } }"

const median = (values: ReadonlyArray<number>) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Infinity

/** Ten clients send `heavy` repeatedly while another sends small queries; returns the responses to those. */
const beside = async (port: number, heavy: ReadonlyArray<string | { readonly body: string }>, seconds: number) => {
  let isOver = false
  const heavies: Array<{ readonly status: number | undefined; readonly code: string | undefined }> = []
  const clients = Array.from({ length: 10 }, async (_, index) => {
    while (!isOver) {
      const query = heavy[index % heavy.length]!
      heavies.push(await (typeof query === "string" ? ask(port, query) : ask(port, "", query)))
    }
  })
  await sleep(500)
  const answered = []
  for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
    answered.push(await ask(port, small, { limit: 20_000 }))
    await sleep(100)
  }
  isOver = true
  await Promise.all(clients)
  return { answered, heavies }
}

const tables = manyTaskRuns(30_000)
const folder = archive("neighbours", tables)

const allowed = [
  // 30 000 rows with their states; nested lists at the edge of what is allowed; patterns; many values.
  "{ task_run { id name state serialized_state flow_run_id task_id } }",
  "{ task_run(limit: 4) { flow_run { task_runs { id } } } }",
  `{ task_run(where: {name: {_regex: "(a*)*b|t-.*9"}}) { id } }`,
  "{ task_run_aggregate { aggregate { count } nodes { id } } }",
  {
    body: JSON.stringify({
      query: "query ($w: task_run_bool_exp) { task_run(where: $w, limit: 1) { id } }",
      variables: { w: { _or: Array.from({ length: 100 }, (_, index) => ({ name: { _eq: `x${index}` } })) } }
    })
  }
]

const attack = async (name: string, flags: ReadonlyArray<string>) => {
  await using server = await serve(flags)
  await check(`${name}: a query that multiplies is refused before it is read`, async () => {
    const answer = await ask(server.port, multiplying)
    assert.equal(answer.code, "limit-exceeded", answer.text)
    assert.match(answer.text, /may read \d+ rows, and \d+ are allowed/)
  })
  await check(
    `${name}: ten clients ask it over and over, and small queries are answered in under a second`,
    async () => {
      const { answered } = await beside(server.port, [multiplying], 10)
      const good = answered.filter((answer) => rowsOf(answer, "flow")?.length === 1)
      assert.ok(good.length >= 5 && good.length === answered.length, `${good.length} of ${answered.length}`)
      assert.ok(median(good.map(({ ms }) => ms)) < 1000)
    }
  )
  await check(
    `${name}: ten clients ask the heaviest that is allowed, and small queries are answered in under a second`,
    async () => {
      const { answered, heavies } = await beside(server.port, allowed, 20)
      const good = answered.filter((answer) => rowsOf(answer, "flow")?.length === 1)
      assert.ok(good.length >= 5 && good.length === answered.length, `${good.length} of ${answered.length}`)
      assert.ok(median(good.map(({ ms }) => ms)) < 1000, `${median(good.map(({ ms }) => ms))} ms`)
      // Heavy ones are answered as well.
      assert.ok(heavies.some(({ code, status }) => status === 200 && code === undefined))
    }
  )
  await check(`${name}: it is healthy and right afterwards`, async () => {
    assert.equal((await fetch(`${server.url}/health`)).status, 200)
    const answer = await ask(server.port, "{ task_run_aggregate { aggregate { count } } }")
    assert.equal(countOf(answer, "task_run_aggregate"), tables["task_run"]?.length)
  })
}

await attack("an archive", ["--archive", folder])
{
  await using postgres = await startPostgres()
  await fillFromArchive(postgres, folder)
  await attack("a Postgres", ["--database", readerUrl(postgres)])
}
