import type { Child, FlowRun, TaskRun } from "@effect-prefect/ui-api/Models"
import { useEffect, useMemo, useRef, useState } from "preact/hooks"
import { client, type Failure, run as request } from "../api.ts"
import { useQuery } from "../data.ts"
import { type Column, Grid } from "../grid.tsx"
import { HeatMap, useHeat } from "../heatMap.tsx"
import { indicesOf, nameAt } from "../heatMapData.ts"
import { Heading, Views } from "../layout.tsx"
import { type Changes, LiveStatus, useChanges, useGrown } from "../live.tsx"
import { LogView } from "../log.tsx"
import { Alert, Duration, Empty, Facts, StateText, Stop, Stopped, Time, useFollows, Waiting } from "../parts.tsx"
import { ResultView } from "../result.tsx"
import { href, navigate, setQuery, useAddress } from "../router.ts"
import { familyOf, isFinished, isFinishedName, isMapped, mappedCount, messageOf, sortNames } from "../states.ts"
import { plural, slugText, visible } from "../text.ts"
import { StatesView } from "./flowRun.tsx"
import { runName, Select } from "./flowRuns.tsx"

const pageSize = 100

const ChildList = ({ changes, run }: { readonly run: TaskRun; readonly changes: Changes }) => {
  const { query } = useAddress()
  const id = run.task_run_id
  const pressed = query.getAll("state").filter((name) => name !== "")
  const heat = useHeat(id, 0, changes)
  const data = heat.value
  const indices = useMemo(() => indicesOf(data, new Set(pressed)), [
    data.known,
    heat.isDone,
    heat.value,
    pressed.join("\n")
  ])
  const rows = useRef(new Map<number, Child>())
  const asked = useRef(new Set<string>())
  const [failure, fail] = useState<Failure | undefined>(undefined)
  const [, redraw] = useState(0)
  const controller = useRef(new AbortController())
  useEffect(() => {
    rows.current = new Map()
    asked.current = new Set()
    controller.current = new AbortController()
    return () => controller.current.abort()
  }, [id, heat.isDone, changes.states])
  const onRange = (first: number, last: number) => {
    for (let from = Math.floor(first / pageSize) * pageSize; from < last; from += pageSize) {
      const start = indices[from]
      if (start === undefined) continue
      const key = `${pressed.join("\n")} ${from} ${start}`
      if (asked.current.has(key)) continue
      asked.current.add(key)
      request(
        client.taskRuns.children({
          params: { id },
          query: { after: start - 1, limit: pageSize, ...(pressed.length === 0 ? {} : { state: pressed }) }
        }),
        controller.current.signal,
        ({ items }) => {
          for (const child of items) rows.current.set(child.map_index, child)
          redraw((n) => n + 1)
        },
        (problem) => {
          asked.current.delete(key)
          fail(problem)
        }
      )
    }
  }
  const slug = run.task_slug
  const childHref = (index: number) => {
    const child = rows.current.get(index)
    if (child !== undefined) return href(["task-runs", child.task_run_id])
    return run.flow_run_id === null || slug === null
      ? href(["task-runs", id])
      : href(["flow-runs", run.flow_run_id, "tasks", slug, index])
  }
  const columns: ReadonlyArray<Column<number>> = [
    {
      key: "child",
      title: "Child",
      width: "1.4fr",
      render: (index) => <a tabIndex={-1} href={childHref(index)}>{slugText(slug, index)}</a>
    },
    { key: "state", title: "State", width: 150, render: (index) => <StateText name={nameAt(data, index)} /> },
    {
      key: "name",
      title: "Name",
      width: "1fr",
      from: 900,
      render: (index) => <span class="dim">{visible(rows.current.get(index)?.name ?? "")}</span>
    },
    {
      key: "started",
      title: "Started",
      width: 188,
      from: 720,
      render: (index) => <Time value={rows.current.get(index)?.start_time} />
    },
    {
      key: "duration",
      title: "Duration",
      width: 126,
      from: 560,
      isNumber: true,
      render: (index) => {
        const child = rows.current.get(index)
        return <Duration start={child?.start_time} end={child?.end_time} isOver={isFinishedName(nameAt(data, index))} />
      }
    },
    {
      key: "message",
      title: "Message",
      width: "2.4fr",
      from: 480,
      render: (index) => {
        const message = visible(rows.current.get(index)?.message ?? "")
        return <span class="dim" title={message}>{message}</span>
      }
    }
  ]
  const given = Number(query.get("index") ?? "")
  const at = query.get("index") === null ? -1 : indices.indexOf(given)
  const names = sortNames(new Set([...data.names, ...pressed]))
  return (
    <>
      {failure ?? heat.failure
        ? (
          <Alert
            failure={(failure ?? heat.failure)!}
            onRetry={() => {
              fail(undefined)
              heat.start()
            }}
          />
        )
        : null}
      {data.problem === undefined ? null : (
        <div class="alert" role="alert">
          <strong>ChildrenIncomplete</strong>
          <p>{data.problem}</p>
        </div>
      )}
      <div class="filters">
        <Select
          label="State"
          name="state"
          value={pressed[0] ?? ""}
          options={[["", "All states"], ...names.map((name) => [name, name] as const)]}
        />
        <span class="dim">{plural(indices.length, "child", "children")}</span>
        {heat.isRunning ? <Stop key={id} onStop={heat.stop} /> : null}
      </div>
      {heat.isStopped
        ? <Stopped label={`Stopped after ${plural(data.known, "child", "children")}.`} onStart={heat.start} />
        : null}
      <Grid
        label="Children"
        columns={columns}
        rowCount={indices.length}
        row={(i) => indices[i]}
        onRange={onRange}
        isBusy={heat.isRunning}
        active={at >= 0 ? at : undefined}
        onActive={(i) => setQuery({ index: indices[i] ?? null })}
        onOpen={(index) => navigate(childHref(index))}
        visibleRows={Math.max(10, Math.floor((innerHeight - 360) / 38))}
        narrow={{
          below: 480,
          render: (index) => visible(rows.current.get(index)?.message ?? "")
        }}
      />
      {indices.length === 0 && heat.isDone
        ? (
          <Empty>
            {pressed.length > 0 ? "No child is in that state." : "It was mapped over nothing: there are no children."}
          </Empty>
        )
        : null}
    </>
  )
}

const Children = ({ changes, run }: { readonly run: TaskRun; readonly changes: Changes }) => {
  const { query } = useAddress()
  const isList = query.get("view") === "list"
  return (
    <>
      <div class="switch" role="group" aria-label="Shown as">
        <button type="button" aria-pressed={isList ? "false" : "true"} onClick={() => setQuery({ view: null }, {})}>
          Map
        </button>
        <button type="button" aria-pressed={isList ? "true" : "false"} onClick={() => setQuery({ view: "list" }, {})}>
          List
        </button>
      </div>
      {isList ? <ChildList run={run} changes={changes} /> : <HeatMap run={run} changes={changes} />}
    </>
  )
}

const runNameOf = (run: FlowRun | undefined, id: string): string => run === undefined ? visible(id) : runName(run)

const RunFacts = ({ run }: { readonly run: TaskRun }) => {
  const flowRun = useQuery(
    run.flow_run_id === null ? null : `flow-run ${run.flow_run_id}`,
    () => client.flowRuns.show({ params: { id: run.flow_run_id ?? "" } })
  )
  const parent = run.map_index >= 0 && run.flow_run_id !== null && run.task_slug !== null
    ? href(["flow-runs", run.flow_run_id, "tasks", run.task_slug])
    : undefined
  return (
    <section class="panel" aria-label="Task run">
      <Facts
        rows={[
          [
            "Flow run",
            run.flow_run_id === null ?
              null :
              <a href={href(["flow-runs", run.flow_run_id])}>{runNameOf(flowRun.data, run.flow_run_id)}</a>
          ],
          ["Mapped by", parent === undefined ? null : <a href={parent}>{slugText(run.task_slug, -1)}</a>],
          ["Name", run.name === null || run.name === run.task_slug ? null : visible(run.name)],
          ["Started", <Time value={run.start_time} />],
          ["Ended", run.end_time === null ? null : <Time value={run.end_time} />],
          [
            "Duration",
            isFinished(run.state) && run.end_time === null
              ? null
              : <Duration start={run.start_time} end={run.end_time} isOver={isFinished(run.state)} />
          ],
          ["Id", <code>{visible(run.task_run_id)}</code>]
        ]}
      />
    </section>
  )
}

const MappedResult = ({ run }: { readonly run: TaskRun }) => (
  <section class="panel result" role="region" aria-label="Result">
    <h2>Result</h2>
    <p role="status" class="reason">
      The result of a mapped task is the list of its{" "}
      {plural(mappedCount(run.state) ?? 0, "child", "children").replace(/^0 children$/, "children")}&rsquo;s results.
      {" "}
      <a href={href(["task-runs", run.task_run_id, "result"])}>Load it as one value</a>
    </p>
  </section>
)

const StatesPage = ({ id }: { readonly id: string }) => {
  const states = useQuery(`task states ${id}`, () => client.taskRuns.states({ params: { id } }))
  return <StatesView states={states} />
}

export const isTaskRunView = (name: string): boolean =>
  ["overview", "children", "result", "logs", "states"].includes(name)

export const TaskRunPage = ({ id, view }: { readonly id: string; readonly view: string }) => {
  const run = useQuery(`task-run ${id}`, () => client.taskRuns.show({ params: { id } }))
  const mapped = run.data !== undefined && run.data.map_index < 0 && isMapped(run.data.state)
  const flowRunId = run.data?.flow_run_id ?? null
  // A mapped parent is finished while its children still run, so its flow run decides.
  const flowRun = useQuery(
    flowRunId === null ? null : `flow-run ${flowRunId}`,
    () => client.flowRuns.show({ params: { id: flowRunId ?? "" } })
  )
  const follows = useFollows()
  const isLive = follows && run.data !== undefined && flowRun.data !== undefined && !isFinished(flowRun.data.state) &&
    (mapped || !isFinished(run.data.state))
  const changes = useChanges(isLive ? flowRunId : null)
  useGrown(changes.states, run.reload)
  if (run.data === undefined) {
    return (
      <>
        <Heading
          text={run.failure?.tag === "NotFound" ? "Not found" : "Task run"}
          above={<a href={href(["flow-runs"])}>Flow runs</a>}
        />
        {run.failure === undefined ?
          <Waiting label="Loading the task run" query={run} /> :
          <Alert failure={run.failure} onRetry={run.failure.tag === "NotFound" ? undefined : run.reload} />}
      </>
    )
  }
  const data = run.data
  const message = messageOf(data.state)
  const title = data.task_slug === null
    ? data.name === null || data.name === "" ? data.task_run_id : visible(data.name)
    : slugText(data.task_slug, data.map_index)
  const to = (name: string) => href(name === "overview" ? ["task-runs", id] : ["task-runs", id, name])
  return (
    <>
      <Heading
        text={title}
        above={
          <>
            <a href={href(["flow-runs"])}>Flow runs</a>
            {flowRunId === null ? null : (
              <>
                {" › "}
                <a href={href(["flow-runs", flowRunId])}>{runNameOf(flowRun.data, flowRunId)}</a>
              </>
            )}
          </>
        }
        beside={<StateText name={data.state_name} />}
      />
      {message === null || message === ""
        ? null
        : <p class={`message message-${familyOf(data.state_name)}`}>{visible(message, true)}</p>}
      {run.failure === undefined ? null : <Alert failure={run.failure} onRetry={run.reload} />}
      <LiveStatus isLive={isLive} changes={changes} />
      <Views
        current={view}
        views={[
          ["overview", to("overview"), "Overview"],
          ...(mapped ? [["children", to("children"), "Children"] as const] : []),
          ["result", to("result"), "Result"],
          ["logs", to("logs"), "Logs"],
          ["states", to("states"), "States"]
        ]}
      />
      {view === "children"
        ? mapped
          ? <Children run={data} changes={changes} />
          : <Empty>This task run is not mapped: it has no children.</Empty>
        : view === "result"
        ? <ResultView run={data} full />
        : view === "logs"
        ? (
          <LogView
            source={`task-run ${id}`}
            load={(query) => client.taskRuns.logs({ params: { id }, query })}
            grown={changes.logs}
            isLive={isLive}
          />
        )
        : view === "states"
        ? <StatesPage id={id} />
        : (
          <>
            <RunFacts run={data} />
            {mapped ? <HeatMap run={data} changes={changes} /> : null}
            {mapped ? <MappedResult run={data} /> : <ResultView run={data} />}
          </>
        )}
    </>
  )
}

/** Finds a task run by its slug and navigates to it. */
export const TaskRunBySlug = ({ flowRunId, mapIndex, slug }: {
  readonly flowRunId: string
  readonly slug: string
  readonly mapIndex: string | undefined
}) => {
  const index = mapIndex === undefined ? -1 : Number(mapIndex)
  const isIndex = Number.isInteger(index) && index >= -1
  const found = useQuery(
    isIndex ? `slug ${flowRunId} ${slug} ${index}` : null,
    () => client.taskRuns.bySlug({ query: { flow_run: flowRunId, slug, map_index: index } })
  )
  useEffect(() => {
    if (found.data !== undefined) {
      navigate(`${href(["task-runs", found.data.task_run_id])}${location.search}`, { replace: true })
    }
  }, [found.data])
  if (!isIndex || found.failure !== undefined) {
    return (
      <>
        <Heading text="Not found" above={<a href={href(["flow-runs", flowRunId])}>The flow run</a>} />
        {found.failure === undefined
          ? <Empty>A map index is a whole number.</Empty>
          : <Alert failure={found.failure} />}
      </>
    )
  }
  return (
    <>
      <Heading text={slugText(slug, index)} />
      <Waiting label="Looking for the task run" query={found} />
    </>
  )
}
