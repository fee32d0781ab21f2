/**
 * `serve` for three minutes on an archive and on a Postgres, with 50 clients each. The Postgres is restarted, and
 * stopped for 20 s, meanwhile. No response may be wrong, memory must not grow, and everything must be right afterwards.
 */
import assert from "node:assert/strict"
import { setTimeout as sleep } from "node:timers/promises"
import { check } from "./support/check.ts"
import { archive, manyTaskRuns, uuid } from "./support/hostileArchive.ts"
import { startPostgres } from "./support/postgres.ts"
import { fillFromArchive, readerUrl } from "./support/prefectDatabase.ts"
import { type Answered, ask, countOf, rowsOf, serve, type Served } from "./support/served.ts"

const rows = 5_000
const folder = archive("soak", manyTaskRuns(rows))

interface Counts {
  right: number
  refused: number
  readonly wrong: Array<string>
}

/** A query, and whether its answer is right. */
const questions: ReadonlyArray<
  (turn: number) => { readonly query: string; readonly isRight: (answer: Answered) => boolean }
> = [
  () => ({
    query: "{ task_run(limit: 500, order_by: {id: asc}) { id name serialized_state } }",
    isRight: (answer) => rowsOf(answer, "task_run")?.length === 500
  }),
  (turn) => {
    const limit = turn % 50
    return {
      query: `{ a${turn % 1000}: task_run(limit: ${limit}) { id } }`,
      isRight: (answer) => rowsOf(answer, `a${turn % 1000}`)?.length === limit
    }
  },
  (turn) => {
    const id = uuid(turn % rows + 1)
    return {
      query: `{ task_run(where: {id: {_eq: "${id}"}}) { id flow_run { name } } }`,
      isRight: (answer) => JSON.stringify(rowsOf(answer, "task_run")) === `[{"id":"${id}","flow_run":{"name":"run"}}]`
    }
  },
  () => ({
    query: "{ task_run_aggregate { aggregate { count } } }",
    isRight: (answer) => countOf(answer, "task_run_aggregate") === rows
  })
]

const mean = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0) / values.length

const soak = async (server: Served, seconds: number, meanwhile: () => Promise<void>) => {
  const counts: Counts = { right: 0, refused: 0, wrong: [] }
  const memory: Array<number> = []
  const end = performance.now() + seconds * 1000
  const client = async (which: number) => {
    for (let turn = which; performance.now() < end; turn++) {
      const { isRight, query } = questions[turn % questions.length]!(turn)
      const answer = await ask(server.port, query, { limit: 40_000 })
      if (answer.code !== undefined || answer.status !== 200) {
        counts.refused++
        await sleep(50)
      } else if (isRight(answer)) counts.right++
      else counts.wrong.push(answer.text)
    }
  }
  const sampler = async () => {
    while (performance.now() < end) {
      await sleep(5_000)
      memory.push(server.memory())
    }
  }
  await Promise.all([...Array.from({ length: 50 }, (_, which) => client(which)), sampler(), meanwhile()])
  return { counts, memory }
}

const judge = async (name: string, server: Served, mayRefuse: boolean, meanwhile: () => Promise<void>) => {
  const { counts, memory } = await soak(server, 180, meanwhile)
  const third = Math.floor(memory.length / 3)
  console.log(
    `  ${name}: ${counts.right} right, ${counts.refused} refused, ${counts.wrong.length} wrong; MB ${
      memory.map(Math.round).join(" ")
    }`
  )
  await check(`${name}: no answer is wrong`, () => {
    assert.deepEqual(counts.wrong.slice(0, 3), [])
    assert.ok(counts.right > 1_000, `${counts.right} were right`)
    assert.ok(mayRefuse || counts.refused === 0, `${counts.refused} were refused`)
  })
  await check(`${name}: memory does not climb`, () => {
    const [before, after] = [mean(memory.slice(third, 2 * third)), mean(memory.slice(-third))]
    assert.ok(after < before * 1.25, `${before} MB, then ${after} MB`)
  })
  await check(`${name}: it is right afterwards`, async () => {
    for (let attempt = 0;; attempt++) {
      const answer = await ask(server.port, "{ task_run_aggregate { aggregate { count } } }")
      if (countOf(answer, "task_run_aggregate") === rows) break
      assert.ok(attempt < 60, answer.text)
      await sleep(500)
    }
    assert.equal((await fetch(`${server.url}/health`)).status, 200)
  })
}

{
  await using server = await serve(["--archive", folder])
  await judge("an archive", server, false, async () => {})
}
{
  await using postgres = await startPostgres()
  await fillFromArchive(postgres, folder)
  await using server = await serve(["--database", readerUrl(postgres)])
  await judge("a Postgres", server, true, async () => {
    await sleep(30_000)
    await postgres.halt()
    await sleep(1_000)
    await postgres.resume()
    await sleep(20_000)
    const sessions = (await postgres.psql("SELECT pid FROM pg_stat_activity WHERE application_name = 'effect-prefect'"))
      .trim().split("\n").map(Number).filter((pid) => pid > 0)
    for (const pid of sessions) process.kill(pid, "SIGSTOP")
    await sleep(20_000)
    for (const pid of sessions) process.kill(pid, "SIGCONT")
  })
}
