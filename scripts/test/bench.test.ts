import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { measure, type Result } from "../../bench/support/measure.ts"
import { type Chosen, measureAll } from "../../bench/support/measuring.ts"
import type { Contender, Row } from "../../bench/support/row.ts"
import { markdown, table } from "../../bench/support/table.ts"

/** A contender that reports these milliseconds, one per run, after a first run that must not count. */
const contender = (name: string, log: Array<string>, ...values: ReadonlyArray<number>): Contender => {
  let run = 0
  return {
    name,
    open: () => log.push(`open ${name}`),
    close: () => log.push(`close ${name}`),
    run: () => {
      log.push(name)
      return { measured: values[run++] ?? Number.NaN }
    }
  }
}

describe("bench", () => {
  it("takes medians of runs in turns and compares them with the targets", async () => {
    const log: Array<string> = []
    const row: Row = {
      work: "read",
      count: 1000,
      runs: 3,
      ours: contender("ours", log, 999, 10, 30, 20),
      peers: [
        contender("peer", log, 999, 100, 60, 80),
        { ...contender("python", log), python: true }
      ],
      limit: contender("limit", log, 999, 10, 10, 12),
      target: { peer: 4, limit: 0.6 }
    }
    const result = await measure(row, { python: false })
    const turn = "ours peer limit"
    const opened = "open ours ours open peer peer open limit limit"
    assert.strictEqual(log.join(" "), `${opened} ${turn} ${turn} ${turn} close limit close peer close ours`)
    assert.deepStrictEqual(result.ours, { name: "ours", median: 20, range: [10, 30] })
    assert.deepStrictEqual(result.peerRatios, [4])
    assert.strictEqual(result.limitRatio, 0.5)
    assert.strictEqual(result.met, false)
    assert.strictEqual(
      markdown([{ ...result, work: "read | once" }]).split("\n")[2],
      "| read \\| once | 50 000/s | 12 500/s peer | 100 000/s limit | 4.0×, 0.50 of limit | 4× peer, 0.6 of limit MISSED |"
    )
    assert.deepStrictEqual(table([result]).split("\n").map((line) => line.split("|").map((cell) => cell.trim()))[2], [
      "read",
      "50 000/s",
      "12 500/s peer",
      "100 000/s limit",
      "4.0×, 0.50 of limit",
      "4× peer, 0.6 of limit MISSED"
    ])
  })

  it("warms up as often as a row says, whatever the number of runs, and once in Python", async () => {
    const log: Array<string> = []
    const row: Row = {
      work: "go on",
      count: 1,
      warmUp: 4,
      keepsCode: true,
      ours: contender("ours", log, 1, 1, 1, 1, 20),
      peers: [{ ...contender("peer", log, 1, 10), python: true }]
    }
    const result = await measure(row, { python: true, runs: 1 })
    assert.strictEqual(log.join(" "), "open ours ours ours ours ours open peer peer ours peer close peer close ours")
    assert.strictEqual(result.ours.median, 20)
    assert.deepStrictEqual(result.peerRatios, [0.5])
  })

  it("takes no figure that another row has not measured for one of its own", async () => {
    const derived = (...values: ReadonlyArray<number>): Row => ({
      work: "the same, in another unit",
      count: 1,
      runs: 5,
      warmUp: false,
      ours: contender("ours", [], ...values)
    })
    const result = await measure(derived(30, 10), { python: false })
    assert.deepStrictEqual(result.ours, { name: "ours", median: 20, range: [10, 30] })
    const failure = await measure(derived(), { python: false }).then(() => "none", String)
    assert.include(failure, "it was not measured")
  })

  it("closes what was opened when a run fails", async () => {
    const log: Array<string> = []
    const row: Row = {
      work: "fail",
      count: 1,
      ours: contender("ours", log, 1),
      limit: {
        ...contender("limit", log),
        run: () => {
          throw new Error("broken")
        }
      }
    }
    const failure = await measure(row, { python: false }).then(() => "none", String)
    assert.strictEqual(failure, "Error: broken")
    assert.deepStrictEqual(log.slice(-2), ["close limit", "close ours"])
  })

  it("goes on after a row that fails, ends its process or does not end", async () => {
    const folder = mkdtempSync(join(tmpdir(), "bench-rows-"))
    try {
      const path = join(folder, "some.bench.mjs")
      const row = (work: string, run: string) =>
        `{ work: "${work}", count: 1, runs: 1, ours: { name: "o", run: ${run} } }`
      writeFileSync(
        path,
        `export const rows = [
          ${row("good", "() => {}")},
          ${row("failing", "() => { throw new Error('broken') }")},
          ${row("ending", "() => process.exit(3)")},
          ${row("also good", "() => ({ measured: Infinity })")},
          ${row("endless", "() => new Promise(() => setInterval(() => {}, 1000))")},
          ${row("late", "() => {}")}
        ]`
      )
      const works = ["good", "failing", "ending", "also good", "endless", "late"]
      const chosen = works.map((work, index) => ({ file: pathToFileURL(path).href, index, work }))
      const log: Array<string> = []
      const measuring = {
        options: { python: false },
        args: [],
        onRow: ({ work }: Chosen, at: number) => log.push(`${at} ${work}`),
        onResult: ({ ours, work }: Result) => log.push(`${work} ${ours.median === Infinity ? "Infinity" : "done"}`),
        onFailure: ({ work }: Chosen, reason: string) => log.push(`${work}: ${reason.split("\n")[0]}`)
      }
      await measureAll(chosen.slice(0, 4), measuring)
      assert.deepStrictEqual(log, [
        "0 good",
        "good done",
        "1 failing",
        "failing: Error: broken",
        "2 ending",
        "ending: its process ended with exit code 3",
        "3 also good",
        "also good Infinity"
      ])
      log.length = 0
      // Its time is over while it runs, or before.
      await measureAll(chosen.slice(4), { ...measuring, minutes: 0.001 })
      assert.deepStrictEqual(log.slice(-2), ["endless: the time was over", "late: the time was over"])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
