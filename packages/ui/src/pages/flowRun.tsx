import type { Artifact, FlowRun, Outcome, StateRecord, Task } from "@effect-prefect/ui-api/Models"
import * as Effect from "effect/Effect"
import type { ComponentChildren } from "preact"
import { useMemo, useRef, useState } from "preact/hooks"
import { client, download, type Failure } from "../api.ts"
import { type Query, useQuery, useStream } from "../data.ts"
import { GraphView } from "../graph.tsx"
import { type Column, Grid } from "../grid.tsx"
import { Heading, Views } from "../layout.tsx"
import { type Changes, LiveStatus, useChanges, useGrown } from "../live.tsx"
import { LogView } from "../log.tsx"
import { Markdown, safeLink } from "../markdown.tsx"
import {
  Alert,
  CountsBar,
  Duration,
  Empty,
  Facts,
  JsonBlock,
  Loading,
  StateText,
  Stop,
  Stopped,
  Time,
  useFollows,
  Waiting
} from "../parts.tsx"
import { href, navigate, useAddress } from "../router.ts"
import { familyOf, isFinished, isFinishedName, messageOf, nameOf, sortNames } from "../states.ts"
import { nameText, plural, short, slugText, visible } from "../text.ts"
import { Timeline } from "../timeline.tsx"
import { runName, Search, Select } from "./flowRuns.tsx"

const failedFamily = (task: Task): boolean =>
  familyOf(task.state) === "failed" ||
  Object.keys(task.mapped?.states ?? {}).some((name) => familyOf(name) === "failed")

const viewNames = ["overview", "tasks", "graph", "timeline", "results", "logs", "artifacts", "states"] as const
type View = (typeof viewNames)[number]

const viewTitles: Readonly<Record<View, string>> = {
  overview: "Overview",
  tasks: "Tasks",
  graph: "Graph",
  timeline: "Timeline",
  results: "Results",
  logs: "Logs",
  artifacts: "Artifacts",
  states: "States"
}

/** The tasks of a run, followed while it runs. */
const useTasks = (id: string, changes: Changes) => {
  const tasks = useStream(
    `tasks ${id}`,
    () => client.flowRuns.tasks({ params: { id } }),
    (): Array<Task> => [],
    (all, more) => {
      all.push(...more)
      return all
    }
  )
  useGrown(changes.states, tasks.start)
  return tasks
}

const MappedCounts = ({ mapped }: { readonly mapped: NonNullable<Task["mapped"]> }) => {
  if (mapped.found === 0) return <span class="none">no children</span>
  const entries = sortNames(Object.keys(mapped.states)).filter((name) => mapped.states[name]! > 0)
  const isShort = mapped.expected !== null && mapped.found !== mapped.expected
  return (
    <span class="mapped">
      <CountsBar states={mapped.states} total={mapped.found} />
      <span class="mapped-text">
        {isShort ? `${mapped.found} of ${mapped.expected} · ` : ""}
        {entries.map((name) => `${name} ${mapped.states[name]}`).join(" · ")}
      </span>
    </span>
  )
}

const taskColumns: ReadonlyArray<Column<Task>> = [
  {
    key: "task",
    title: "Task",
    width: "2fr",
    render: (task) => (
      <a tabIndex={-1} href={href(["task-runs", task.task_run_id])} title={visible(task.name ?? "")}>
        {slugText(task.task_slug, -1)}
      </a>
    )
  },
  { key: "state", title: "State", width: 150, render: (task) => <StateText name={task.state} /> },
  {
    key: "children",
    title: "Mapped children",
    width: "2fr",
    from: 640,
    render: (task) => task.mapped === null ? "" : <MappedCounts mapped={task.mapped} />
  },
  { key: "started", title: "Started", width: 188, from: 860, render: (task) => <Time value={task.start_time} /> },
  {
    key: "duration",
    title: "Duration",
    width: 126,
    from: 520,
    isNumber: true,
    render: (task) => <Duration start={task.start_time} end={task.end_time} isOver={isFinishedName(task.state)} />
  },
  {
    key: "message",
    title: "Message",
    width: "2fr",
    from: 1100,
    render: (task) => <span class="dim" title={visible(task.message ?? "")}>{visible(task.message ?? "")}</span>
  }
]

const TasksView = ({ changes, id }: { readonly id: string; readonly changes: Changes }) => {
  const { query } = useAddress()
  const tasks = useTasks(id, changes)
  const q = (query.get("q") ?? "").toLowerCase()
  const state = query.get("state") ?? ""
  const names = sortNames(
    new Set(tasks.value.flatMap((task) => [task.state, ...Object.keys(task.mapped?.states ?? {})]))
  )
  const shown = q === "" && state === "" ?
    tasks.value :
    tasks.value.filter((task) =>
      (q === "" || (task.task_slug ?? "").toLowerCase().includes(q) || (task.name ?? "").toLowerCase().includes(q)) &&
      (state === "" || task.state === state || (task.mapped?.states[state] ?? 0) > 0)
    )
  return (
    <>
      <div class="filters" role="group" aria-label="Filters">
        <Search label="Search tasks" />
        <Select
          label="State"
          name="state"
          value={state}
          options={[["", "All states"], ...names.map((name) => [name, name] as const)]}
        />
      </div>
      {tasks.failure === undefined ? null : <Alert failure={tasks.failure} onRetry={tasks.start} />}
      {tasks.value.length === 0 && tasks.isRunning ?
        <Loading label="Loading tasks" onStop={tasks.stop} />
        : tasks.value.length === 0 && tasks.isStopped ?
        <Stopped onStart={tasks.start} /> :
        (
          <>
            <Grid
              label="Tasks"
              columns={taskColumns}
              rowCount={shown.length}
              row={(index) => shown[index]}
              onOpen={(task) => navigate(href(["task-runs", task.task_run_id]))}
              isBusy={tasks.isRunning}
              visibleRows={Math.max(10, Math.floor((innerHeight - 320) / 38))}
              narrow={{
                below: 520,
                render: (task) =>
                  task.mapped !== null
                    ? <MappedCounts mapped={task.mapped} />
                    : familyOf(task.state) === "failed"
                    ? visible(task.message ?? "")
                    : (
                      <>
                        <Time value={task.start_time} />
                        <Duration start={task.start_time} end={task.end_time} isOver={isFinishedName(task.state)} />
                      </>
                    )
              }}
            />
            {shown.length > 0 || tasks.failure !== undefined ?
              <p class="below">{plural(shown.length, "task")}</p> :
              <Empty>{tasks.value.length === 0 ? "This run has no task runs." : "No task fits these filters."}</Empty>}
          </>
        )}
    </>
  )
}

/** The most failures that the overview lists. */
const shownFailures = 12

/** The first of the mapped children that failed, and why. */
const FirstFailed = ({ states, task }: { readonly task: Task; readonly states: ReadonlyArray<string> }) => {
  const id = task.task_run_id
  const { data } = useQuery(
    `first failed ${id} ${states.map((name) => `${name} ${task.mapped?.states[name]}`).join(" ")}`,
    () => client.taskRuns.children({ params: { id }, query: { state: states, limit: 1 } })
  )
  const child = data?.items[0]
  return child === undefined ? null : (
    <p class="message">
      <a href={href(["task-runs", child.task_run_id])}>{slugText(task.task_slug, child.map_index)}</a>{" "}
      {visible(child.message ?? "", true)}
    </p>
  )
}

const Overview = ({ changes, run }: { readonly run: FlowRun; readonly changes: Changes }) => {
  const id = run.flow_run_id
  const tasks = useTasks(id, changes)
  const flow = useQuery(
    run.flow_id === null ? null : `flow ${run.flow_id}`,
    () => client.flows.show({ params: { id: run.flow_id ?? "" } })
  )
  const sums = new Map<string, number>()
  for (const { mapped, state } of tasks.value) {
    const entries = mapped === null || mapped.found === 0 ? [[state, 1] as const] : Object.entries(mapped.states)
    for (const [name, count] of entries) sums.set(name, (sums.get(name) ?? 0) + count)
  }
  const counts = Object.fromEntries(sums)
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0)
  const failed = tasks.value.filter(failedFamily)
    // A failed trigger is the consequence of another failure, so original failures come first.
    .sort((left, right) => Number(left.state === "TriggerFailed") - Number(right.state === "TriggerFailed"))
  const parameters = run.parameters
  const hasParameters = typeof parameters === "object" && parameters !== null && Object.keys(parameters).length > 0
  return (
    <>
      <section class="panel" aria-label="Run">
        <Facts
          rows={[
            [
              "Flow",
              run.flow_id === null ?
                null :
                <a href={href(["flows", run.flow_id])}>{nameText(flow.data?.name ?? run.flow_id)}</a>
            ],
            ["Started", <Time value={run.start_time} />],
            ["Ended", <Time value={run.end_time} />],
            ["Duration", <Duration start={run.start_time} end={run.end_time} isOver={isFinished(run.state)} />],
            ["Scheduled", run.scheduled_start_time ? <Time value={run.scheduled_start_time} /> : null],
            [
              "Labels",
              run.labels && run.labels.length > 0
                ? run.labels.map((label) => <span key={label} class="label">{visible(label)}</span>)
                : null
            ],
            ["Id", <code>{visible(id)}</code>]
          ]}
        />
      </section>
      {tasks.failure === undefined ? null : <Alert failure={tasks.failure} onRetry={tasks.start} />}
      {total === 0
        ? tasks.isRunning ?
          <Loading label="Counting task runs" onStop={tasks.stop} />
          : tasks.isStopped
          ? <Stopped onStart={tasks.start} />
          : tasks.failure === undefined
          ? <Empty>This run has no task runs.</Empty>
          : null
        : (
          <section class="panel" aria-label="Task runs">
            <h2>{plural(total, "task run")} of {plural(tasks.value.length, "task")}</h2>
            <CountsBar states={counts} total={total} />
            <ul class="count-list">
              {sortNames(Object.keys(counts)).map((name) => (
                <li key={name}>
                  <a href={href(["flow-runs", id, "tasks"], { state: name })}>
                    <StateText name={name} /> <span class="number">{counts[name]!.toLocaleString("en")}</span>
                  </a>
                </li>
              ))}
            </ul>
          </section>
        )}
      {failed.length === 0 ? null : (
        <section class="panel" aria-label="Failures">
          <h2>What failed</h2>
          <ul class="failures">
            {failed.slice(0, shownFailures).map((task) => {
              const bad = Object.entries(task.mapped?.states ?? {}).filter(([name]) => familyOf(name) === "failed")
              return (
                <li key={task.task_run_id}>
                  <a href={href(["task-runs", task.task_run_id])}>{slugText(task.task_slug, -1)}</a>
                  {bad.length === 0 ?
                    <StateText name={task.state} /> :
                    bad.map(([name, count]) => (
                      <a
                        key={name}
                        class="state-link"
                        href={href(["task-runs", task.task_run_id, "children"], { view: "list", state: name })}
                      >
                        <StateText name={name} /> {count} of {task.mapped?.found}
                      </a>
                    ))}
                  {bad.length > 0
                    ? <FirstFailed task={task} states={bad.map(([name]) => name)} />
                    : task.message
                    ? <p class="message">{visible(task.message, true)}</p>
                    : null}
                </li>
              )
            })}
          </ul>
          {failed.length > shownFailures
            ? (
              <p class="below">
                <a href={href(["flow-runs", id, "tasks"])}>All {failed.length}</a>
              </p>
            )
            : null}
        </section>
      )}
      {total === 0 ? null : (
        <section class="panel" aria-label="What it returned">
          <h2>What it returned</h2>
          <div class="downloads">
            <a class="button" href={href(["flow-runs", id, "results"], { load: "all" })}>Load its results</a>
            <span class="dim">
              Reads the result of {total === 1 ? "the task run" : "every task run"} from its storage.
            </span>
          </div>
        </section>
      )}
      {hasParameters ?
        (
          <section class="panel" aria-label="Parameters">
            <h2>Parameters</h2>
            <JsonBlock value={parameters} />
          </section>
        ) :
        null}
    </>
  )
}

const stateRecordColumns: ReadonlyArray<Column<StateRecord>> = [
  { key: "state", title: "State", width: 160, render: (record) => <StateText name={nameOf(record.state)} /> },
  { key: "time", title: "Time", width: 190, render: (record) => <Time value={record.timestamp} /> },
  {
    key: "message",
    title: "Message",
    width: "2fr",
    from: 480,
    render: (record) => {
      const message = messageOf(record.state) ?? ""
      return <span title={visible(message)}>{visible(message)}</span>
    }
  }
]

export const StatesView = ({ states }: { readonly states: Query<ReadonlyArray<StateRecord>> }) => {
  const { data, failure, reload } = states
  return (
    <>
      {failure === undefined ? null : <Alert failure={failure} onRetry={reload} />}
      {data === undefined ? <Waiting label="Loading states" query={states} /> : (
        <>
          <Grid
            label="States"
            columns={stateRecordColumns}
            rowCount={data.length}
            row={(index) => data[index]}
            narrow={{ below: 480, render: (record) => visible(messageOf(record.state) ?? "") }}
          />
          {data.length === 0 ? <Empty>No states were recorded.</Empty> : null}
        </>
      )}
    </>
  )
}

const RunStates = ({ changes, id }: { readonly id: string; readonly changes: Changes }) => {
  const states = useQuery(`states ${id}`, () => client.flowRuns.states({ params: { id } }))
  useGrown(changes.states, states.reload)
  return <StatesView states={states} />
}

const outcomeText = (outcome: Outcome): string => {
  const { outcome: how } = outcome
  if ("error" in how) return `${how.error.reason}: ${how.error.message}`
  if (how.cut === true) return `${String(how.value)}…`
  return JSON.stringify(how.value)
}

const outcomeColumns: ReadonlyArray<Column<Outcome>> = [
  {
    key: "task",
    title: "Task",
    width: "1.2fr",
    render: (outcome) => (
      <a tabIndex={-1} href={href(["task-runs", outcome.task_run_id])}>
        {slugText(outcome.task_slug, outcome.map_index)}
      </a>
    )
  },
  { key: "state", title: "State", width: 150, render: (outcome) => <StateText name={outcome.state} /> },
  {
    key: "result",
    title: "Result",
    width: "3fr",
    from: 560,
    render: (outcome) => <OutcomeText outcome={outcome} />
  }
]

const OutcomeText = ({ outcome }: { readonly outcome: Outcome }) => {
  const text = outcomeText(outcome)
  const isError = "error" in outcome.outcome
  return <span class={isError ? "dim" : "mono"} title={visible(short(text, 2000))}>{visible(short(text, 400))}</span>
}

const ResultsView = ({ id }: { readonly id: string }) => {
  const { query } = useAddress()
  const outcomes = useStream(
    `outcomes ${id}`,
    () => client.flowRuns.outcomes({ params: { id }, query: {} }),
    (): Array<Outcome> => [],
    (all, more) => {
      all.push(...more)
      return all
    },
    { auto: query.has("load") }
  )
  const count = outcomes.value.length
  return (
    <>
      <div class="filters">
        {outcomes.isRunning
          ? <button type="button" onClick={outcomes.stop}>Stop</button>
          : (
            <button type="button" class="primary" onClick={outcomes.start}>
              {count === 0 ? "Load results" : "Load results again"}
            </button>
          )}
        <span role="status">
          {outcomes.isRunning
            ? `${plural(count, "result")} so far`
            : outcomes.isDone ?
            plural(count, "result")
            : count > 0
            ? `Stopped after ${plural(count, "result")}`
            : "Every task run's result is read from its storage."}
        </span>
      </div>
      {outcomes.failure === undefined ? null : <Alert failure={outcomes.failure} onRetry={outcomes.start} />}
      <Grid
        label="Results"
        columns={outcomeColumns}
        rowCount={count}
        row={(index) => outcomes.value[index]}
        isBusy={outcomes.isRunning}
        onOpen={(outcome) => navigate(href(["task-runs", outcome.task_run_id]))}
        visibleRows={Math.max(10, Math.floor((innerHeight - 320) / 38))}
        narrow={{ below: 560, render: (outcome) => <OutcomeText outcome={outcome} /> }}
      />
      {outcomes.isDone && count === 0 ? <Empty>This run has no task runs.</Empty> : null}
    </>
  )
}

const ArtifactView = ({ artifact }: { readonly artifact: Artifact }) => {
  const { data } = artifact
  const record = typeof data === "object" && data !== null && !Array.isArray(data)
    ? data as Readonly<Record<string, unknown>>
    : {}
  const address = record["link"] ?? record["url"] ??
    (artifact.kind === "link" && typeof data === "string" ? data : undefined)
  const text = record["markdown"] ?? (artifact.kind === "markdown" && typeof data === "string" ? data : undefined)
  if (typeof text === "string") return <Markdown text={text} />
  if (typeof address === "string") {
    const link = safeLink(address)
    return link === undefined
      ? <code>{visible(address)}</code>
      : <a href={link} rel="noopener noreferrer" target="_blank" title="Leaves this page">{visible(address)}</a>
  }
  return <JsonBlock value={data} />
}

const ArtifactsView = ({ id }: { readonly id: string }) => {
  const [pages, setPages] = useState(1)
  const artifacts = useQuery(
    `artifacts ${id} ${pages}`,
    () =>
      Effect.gen(function*() {
        const items: Array<Artifact> = []
        let next: string | null | undefined
        for (let page = 0; page < pages && next !== null; page++) {
          const found = yield* client.flowRuns.artifacts({
            params: { id },
            query: { limit: 100, ...(next === undefined ? {} : { cursor: next }) }
          })
          items.push(...found.items)
          next = found.next
        }
        return { items, next: next ?? null }
      })
  )
  const seen = useRef(artifacts.data)
  if (artifacts.data !== undefined) seen.current = artifacts.data
  // What is shown stays while more is loaded.
  const data = artifacts.data ?? (pages > 1 ? seen.current : undefined)
  const { failure, isLoading, reload } = artifacts
  return (
    <>
      {failure === undefined ? null : <Alert failure={failure} onRetry={reload} />}
      {data === undefined ? <Waiting label="Loading artifacts" query={artifacts} /> : (
        <>
          <div
            role="table"
            aria-label="Artifacts"
            aria-rowcount={data.items.length + 1}
            class={data.items.length === 0 ? "artifacts no-rows" : "artifacts"}
          >
            <div role="row" class="artifact-head" aria-rowindex={1}>
              <span role="columnheader">Kind</span>
              <span role="columnheader">What it says</span>
              <span role="columnheader">Left by</span>
            </div>
            {data.items.map((artifact, index) => (
              <div role="row" key={artifact.id} class="artifact" aria-rowindex={index + 2}>
                <span role="cell" class="label">{visible(artifact.kind ?? "unknown")}</span>
                <div role="cell" class="artifact-body">
                  <ArtifactView artifact={artifact} />
                </div>
                <span role="cell">
                  {artifact.task_run_id === null
                    ? "–"
                    : <a href={href(["task-runs", artifact.task_run_id])}>its task run</a>}
                </span>
              </div>
            ))}
          </div>
          {data.items.length === 0 ? <Empty>Its tasks left no artifacts.</Empty> : null}
          {data.next === null ? null : (
            <p class="below">
              The first {data.items.length} are shown. {isLoading
                ? <Stop key={pages} onStop={artifacts.stop} />
                : <button type="button" onClick={() => setPages(pages + 1)}>Show more</button>}
            </p>
          )}
        </>
      )}
    </>
  )
}

const GraphPage = ({ changes, id }: { readonly id: string; readonly changes: Changes }) => {
  const graph = useQuery(`graph ${id}`, () => client.flowRuns.graph({ params: { id } }))
  const tasks = useTasks(id, changes)
  return (
    <>
      {graph.failure === undefined ? null : <Alert failure={graph.failure} onRetry={graph.reload} />}
      {graph.data === undefined ?
        <Waiting label="Loading the graph" query={graph} />
        : graph.data.tasks.length === 0 ?
        <Empty>This run has no task runs.</Empty>
        : <GraphView id={id} graph={graph.data} tasks={tasks.value} />}
    </>
  )
}

const TimelinePage = (
  { changes, id, run }: { readonly id: string; readonly changes: Changes; readonly run: FlowRun }
) => {
  const tasks = useTasks(id, changes)
  return (
    <>
      {tasks.failure === undefined ? null : <Alert failure={tasks.failure} onRetry={tasks.start} />}
      {tasks.value.length === 0
        ? tasks.isRunning
          ? <Loading label="Loading times" onStop={tasks.stop} />
          : tasks.isStopped
          ? <Stopped onStart={tasks.start} />
          : tasks.failure === undefined
          ? <Empty>This run has no task runs.</Empty>
          : null
        : <Timeline id={id} tasks={tasks.value} run={run} />}
    </>
  )
}

const LogsPage = ({ changes, id, isLive, run }: {
  readonly id: string
  readonly run: FlowRun
  readonly changes: Changes
  readonly isLive: boolean
}) => {
  const [failure, fail] = useState<Failure | undefined>(undefined)
  const tasks = useTasks(id, changes)
  const count = tasks.value.length
  const names = useMemo(
    () => new Map(tasks.value.map((task) => [task.task_run_id, slugText(task.task_slug, -1)])),
    [count, tasks.isDone]
  )
  return (
    <>
      {failure === undefined ? null : <Alert failure={failure} />}
      <LogView
        source={`flow-run ${id}`}
        names={names}
        load={(query) => client.flowRuns.logs({ params: { id }, query })}
        grown={changes.logs}
        isLive={isLive}
        tools={
          <button
            type="button"
            onClick={() =>
              void download(`/flow-runs/${encodeURIComponent(id)}/logs.txt`, `${runName(run)}.log`).then(fail)}
          >
            Download
          </button>
        }
      />
    </>
  )
}

export const FlowRunPage = ({ id, view }: { readonly id: string; readonly view: string }) => {
  const run = useQuery(`flow-run ${id}`, () => client.flowRuns.show({ params: { id } }))
  const isLive = useFollows() && run.data !== undefined && !isFinished(run.data.state)
  const changes = useChanges(isLive ? id : null)
  useGrown(changes.states, run.reload)
  if (run.data === undefined) {
    return (
      <>
        <Heading
          text={run.failure?.tag === "NotFound" ? "Not found" : "Flow run"}
          above={<a href={href(["flow-runs"])}>Flow runs</a>}
        />
        {run.failure === undefined ?
          <Waiting label="Loading the flow run" query={run} /> :
          <Alert failure={run.failure} onRetry={run.failure.tag === "NotFound" ? undefined : run.reload} />}
      </>
    )
  }
  const message = messageOf(run.data.state)
  const name = nameOf(run.data.state)
  const body: Readonly<Record<View, () => ComponentChildren>> = {
    overview: () => <Overview run={run.data!} changes={changes} />,
    tasks: () => <TasksView id={id} changes={changes} />,
    graph: () => <GraphPage id={id} changes={changes} />,
    timeline: () => <TimelinePage id={id} changes={changes} run={run.data!} />,
    results: () => <ResultsView id={id} />,
    logs: () => <LogsPage id={id} run={run.data!} changes={changes} isLive={isLive} />,
    artifacts: () => <ArtifactsView id={id} />,
    states: () => <RunStates id={id} changes={changes} />
  }
  return (
    <>
      <Heading
        text={runName(run.data)}
        above={<a href={href(["flow-runs"])}>Flow runs</a>}
        beside={<StateText name={name} />}
      />
      {message === null || message === ""
        ? null
        : <p class={`message message-${familyOf(name)}`}>{visible(message, true)}</p>}
      {run.failure === undefined ? null : <Alert failure={run.failure} onRetry={run.reload} />}
      <LiveStatus isLive={isLive} changes={changes} />
      <Views
        current={view}
        views={viewNames.map((
          name
        ) => [name, href(name === "overview" ? ["flow-runs", id] : ["flow-runs", id, name]), viewTitles[name]])}
      />
      {body[view as View]()}
    </>
  )
}

export const isFlowRunView = (name: string): boolean => (viewNames as ReadonlyArray<string>).includes(name)
