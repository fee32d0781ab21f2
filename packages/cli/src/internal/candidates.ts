/** Candidates for completions: values that only the backend or the configuration knows. */
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { types } from "@effect-prefect/core/Prefect3State"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { homedir } from "node:os"
import * as Services from "../services.ts"
import * as Profiles from "./profiles.ts"
import * as References from "./references.ts"
import * as Render from "./render.ts"
import * as Settings from "./settings.ts"
import { prefect3Names } from "./stateName.ts"
import * as Times from "./times.ts"

export const kinds = ["states", "flows", "runs", "taskRuns", "slugs", "labels", "profiles"] as const
export type Kind = (typeof kinds)[number]

export interface Candidate {
  readonly value: string
  readonly description?: string | undefined
}

/** The most runs in a list of candidates. */
const most = 50

/** A word as the shell would pass it to the command: without its quotes, and with the home folder in place of `~`. */
const unquoted = (word: string): string => {
  const plain = word.replaceAll(/\\(.)|["']/g, "$1")
  return plain.startsWith("~/") ? homedir() + plain.slice(1) : plain
}

const flagsWithoutValue: ReadonlySet<string> = new Set(
  ["json", "utc", "mapped", "no-mapped", "follow", "reverse", "raw", "open", "all", "results", "allow-incomplete"]
)

/** The words before the cursor that completions depend on. */
const read = (words: ReadonlyArray<string>) => {
  const flags = new Map<string, string>()
  const operands: Array<string> = []
  for (let at = 0; at < words.length - 1; at++) {
    const word = unquoted(words[at]!)
    const [, name, value] = /^--([a-z][a-z0-9-]*)(?:=(.*))?$/s.exec(word === "-F" ? "--flow-run" : word) ?? []
    if (name === undefined) {
      if (!word.startsWith("-")) operands.push(word)
    } else if (value !== undefined) flags.set(name, value)
    else if (!flagsWithoutValue.has(name) && at + 1 < words.length - 1) flags.set(name, unquoted(words[++at]!))
  }
  return { current: unquoted(words.at(-1) ?? ""), flags, operands }
}

const taskRunCandidate = (view: TaskRunView): Candidate => ({
  value: view.taskRunId,
  description: `${Render.slug(view)}  ${State.typeName(view.state)}`
})

const times = Times.make({ utc: false })

const hexadecimal = /^[0-9a-f][0-9a-f-]*$/i

const flowNames = Effect.map(
  Effect.flatMap(PrefectApi, (api) => Stream.runCollect(Stream.take(api.flows(), 1000))),
  (flows) => [...new Set(flows.flatMap(({ name }) => name === null ? [] : [name]))]
)

const newestRuns = Effect.flatMap(
  PrefectApi,
  (api) => Stream.runCollect(Stream.take(api.flowRuns({}, { pageSize: most }), most))
)

/** Flow runs by the names that users type: the newest by name and id, and the latest of each flow. */
const runs = Effect.fnUntraced(function*(current: string) {
  const api = yield* PrefectApi
  const [, flow] = /^(.+)\/latest:/.exec(current) ?? []
  if (flow !== undefined) {
    return State.State.discriminants.map((state): Candidate => ({ value: `${flow}/latest:${state}` }))
  }
  const newest = yield* newestRuns
  const found = hexadecimal.test(current)
    ? yield* api.flowRunsByIdPrefix({ prefix: current, limit: most })
    : newest
  const flows = yield* flowNames
  const describe = (run: (typeof newest)[number]) =>
    `${State.typeName(run.state)}  ${times.time(run.startTime ?? run.created)}`
  return [
    ...flows.map((name): Candidate => ({ value: `${name}/latest`, description: "the newest run of the flow" })),
    ...newest.flatMap((run): ReadonlyArray<Candidate> =>
      run.name === null ? [] : [{ value: run.name, description: describe(run) }]
    ),
    ...found.map((run): Candidate => ({ value: run.flowRunId, description: `${run.name ?? ""}  ${describe(run)}` }))
  ]
})

/**
 * Task runs by their ids: those with the word as a prefix, otherwise those of the newest flow run, the failed ones
 * first.
 */
const taskRuns = Effect.fnUntraced(function*(current: string) {
  const api = yield* PrefectApi
  if (hexadecimal.test(current)) {
    return (yield* api.taskRunsByIdPrefix({ prefix: current, limit: most })).map(taskRunCandidate)
  }
  const [run] = yield* Stream.runCollect(Stream.take(api.flowRuns({}, { pageSize: 1 }), 1))
  if (run === undefined) return []
  const views = yield* Stream.runCollect(Stream.take(api.taskRuns({ flowRunId: run.flowRunId }), 200))
  return [...views].sort((a, b) => Number(State.isFailed(b.state)) - Number(State.isFailed(a.state)))
    .slice(0, most).map(taskRunCandidate)
})

/** The slugs of the flow run in the words, otherwise of the newest one. */
const slugs = Effect.fnUntraced(function*({ flags, operands }: ReturnType<typeof read>) {
  const api = yield* PrefectApi
  const named = flags.get("flow-run") ?? operands[2]
  const run = named === undefined
    ? (yield* Stream.runCollect(
      Stream.take(api.flowRuns({ flowName: flags.get("flow") }, { pageSize: 1 }), 1)
    ))[0]
    : yield* References.flowRun(named)
  if (run === undefined) return []
  const views = yield* api.firstTaskRunOfEachTask(run.flowRunId)
  return views.flatMap((view): ReadonlyArray<Candidate> =>
    view.taskSlug === null ? [] : [{ value: view.taskSlug, description: State.typeName(view.state) }]
  )
})

const labels = Effect.map(
  newestRuns,
  (runs) => runs.flatMap((run) => run.labels ?? []).map((value): Candidate => ({ value }))
)

/** The backend that the words name, otherwise the configured one. */
const backendFlags = (flags: ReadonlyMap<string, string>): Settings.BackendFlags => {
  const named = (name: string) => Option.fromUndefinedOr(flags.get(name))
  return {
    archive: named("archive"),
    api: named("api"),
    database: Option.map(named("database"), (url) => Redacted.make(url)),
    prefect3: named("prefect3"),
    profile: named("profile")
  }
}

/** The candidates for the last of the words. */
export const candidates = Effect.fnUntraced(function*(kind: Kind, words: ReadonlyArray<string>) {
  const line = read(words)
  const flags = backendFlags(line.flags)
  if (kind === "profiles") {
    const { profiles } = yield* Profiles.read(yield* Settings.configFile)
    return [...profiles.keys()].map((value): Candidate => ({ value }))
  }
  if (kind === "states") {
    const { backend } = yield* Settings.resolve(flags)
    const others = backend?.kind === "prefect3" ? [...prefect3Names, ...types] : []
    return [...State.State.discriminants, ...others].map((value): Candidate => ({ value }))
  }
  const find = () => {
    switch (kind) {
      case "flows":
        return Effect.map(flowNames, (names) => names.map((value): Candidate => ({ value })))
      case "runs":
        return runs(line.current)
      case "taskRuns":
        return taskRuns(line.current)
      case "slugs":
        return slugs(line)
      case "labels":
        return labels
    }
  }
  return yield* Effect.provide(find(), Services.backend(flags))
})
