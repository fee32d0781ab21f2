import type { FlowRun, FlowRunPage } from "@effect-prefect/ui-api/Models"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { useEffect, useRef, useState } from "preact/hooks"
import { client } from "../api.ts"
import { useQuery } from "../data.ts"
import { type Column, Grid } from "../grid.tsx"
import { Heading } from "../layout.tsx"
import { Alert, CountsBar, Duration, Empty, PassedOver, StateText, Time, Waiting } from "../parts.tsx"
import { href, navigate, setQuery, useAddress } from "../router.ts"
import { allNames, isFinished, nameOf } from "../states.ts"
import { nameText, plural, short, visible } from "../text.ts"

const pageSize = 50
const oneByOne = Semaphore.makeUnsafe(3)

/** The task runs of a flow run by state, requested when its row is visible. */
const RunCounts = ({ run }: { readonly run: FlowRun }) => {
  const room = useRef<HTMLSpanElement>(null)
  const [isSeen, see] = useState(false)
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => {
      if (entries.some(({ isIntersecting }) => isIntersecting)) see(true)
    })
    if (room.current !== null) observer.observe(room.current)
    return () => observer.disconnect()
  }, [])
  const { data } = useQuery(
    isSeen ? `counts ${run.flow_run_id} ${nameOf(run.state)}` : null,
    () => Semaphore.withPermit(oneByOne)(client.flowRuns.counts({ params: { id: run.flow_run_id } }))
  )
  if (data === undefined) return <span ref={room} class="bar-room" />
  return data.total === 0
    ? <span class="none">no task runs</span>
    : <CountsBar states={data.states} total={data.total} />
}

export const runName = (run: FlowRun): string =>
  run.name === null || run.name === "" ? run.flow_run_id : nameText(run.name)

const flowRunColumns = (
  flowNames: Readonly<Record<string, string | null>> | undefined
): ReadonlyArray<Column<FlowRun>> => [
  {
    key: "name",
    title: "Name",
    width: "2.2fr",
    render: (run) => (
      <a tabIndex={-1} href={href(["flow-runs", run.flow_run_id])} title={runName(run)}>{runName(run)}</a>
    )
  },
  { key: "state", title: "State", width: 140, render: (run) => <StateText name={nameOf(run.state)} /> },
  ...(flowNames === undefined ? [] : [{
    key: "flow",
    title: "Flow",
    width: "1.6fr",
    from: 760,
    render: (run: FlowRun) => {
      const name = run.flow_id === null ? null : flowNames[run.flow_id]
      return run.flow_id === null
        ? <span class="none">–</span>
        : (
          <a tabIndex={-1} href={href(["flows", run.flow_id])} title={visible(name ?? run.flow_id)}>
            {nameText(name ?? run.flow_id)}
          </a>
        )
    }
  }]),
  { key: "started", title: "Started", width: 188, from: 520, render: (run) => <Time value={run.start_time} /> },
  {
    key: "duration",
    title: "Duration",
    width: 126,
    from: 640,
    isNumber: true,
    render: (run) => <Duration start={run.start_time} end={run.end_time} isOver={isFinished(run.state)} />
  },
  { key: "tasks", title: "Task runs", width: "1.3fr", from: 900, render: (run) => <RunCounts run={run} /> }
]

/** The page with that number, or the last one: cursors lead from one page to the next. */
const pageAt = (
  number: number,
  query: {
    readonly flow?: string
    readonly state?: ReadonlyArray<string>
    readonly q?: string
    readonly flow_id?: string
  }
) =>
  Effect.gen(function*() {
    let page: FlowRunPage = yield* client.flowRuns.list({ query: { ...query, limit: pageSize } })
    let at = 1
    for (; at < number && page.next !== null; at++) {
      page = yield* client.flowRuns.list({ query: { ...query, limit: pageSize, cursor: page.next } })
    }
    return { ...page, at }
  })

/** A search field that searches a moment after the last keystroke. */
export const Search = ({ label, name = "q" }: { readonly label: string; readonly name?: string }) => {
  const { query } = useAddress()
  const given = query.get(name) ?? ""
  const [text, setText] = useState(given)
  useEffect(() => setText(given), [given])
  useEffect(() => {
    if (text === given) return
    const timer = setTimeout(() => setQuery({ [name]: text, page: null }), 300)
    return () => clearTimeout(timer)
  }, [text])
  return (
    <input
      type="search"
      aria-label={label}
      placeholder={label}
      value={text}
      onInput={(event) => setText(event.currentTarget.value)}
    />
  )
}

export const Select = ({ label, name, options, value }: {
  readonly label: string
  readonly name: string
  readonly value: string
  readonly options: ReadonlyArray<readonly [value: string, text: string]>
}) => (
  <label class="field">
    <span>{label}</span>
    <select
      aria-label={label}
      value={value}
      onChange={(event) => setQuery({ [name]: event.currentTarget.value, page: null }, {})}
    >
      {options.map(([value, text]) => <option key={value} value={value}>{short(text, 80)}</option>)}
    </select>
  </label>
)

export const FlowRunList = ({ flowId, flowNames }: {
  readonly flowId?: string
  readonly flowNames: boolean
}) => {
  const { query } = useAddress()
  const flow = query.get("flow") ?? ""
  const state = query.get("state") ?? ""
  const q = query.get("q") ?? ""
  const given = Number(query.get("page") ?? "1")
  const isPage = Number.isInteger(given) && given > 0
  const number = isPage ? Math.min(given, 1000) : 1
  const runs = useQuery(
    `flow-runs ${JSON.stringify([flow, state, q, number, flowId])}`,
    () =>
      pageAt(number, {
        ...(flow === "" ? {} : { flow }),
        ...(state === "" ? {} : { state: [state] }),
        ...(q === "" ? {} : { q }),
        ...(flowId === undefined ? {} : { flow_id: flowId })
      })
  )
  const { data, failure, isLoading, reload } = runs
  const items = data?.items ?? []
  const isFiltered = flow !== "" || state !== "" || q !== ""
  return (
    <>
      {failure === undefined ? null : <Alert failure={failure} onRetry={reload} />}
      {data === undefined ? <Waiting label="Loading flow runs" query={runs} /> : (
        <>
          <Grid
            label="Flow runs"
            columns={flowRunColumns(flowNames ? data.flow_names : undefined)}
            rowCount={items.length}
            row={(index) => items[index]}
            onOpen={(run) => navigate(href(["flow-runs", run.flow_run_id]))}
            visibleRows={Math.min(50, Math.max(8, Math.floor((innerHeight - 250) / 38)))}
            isBusy={isLoading}
            narrow={{
              below: 520,
              render: (run) => (
                <>
                  <Time value={run.start_time} />
                  <Duration start={run.start_time} end={run.end_time} isOver={isFinished(run.state)} />
                </>
              )
            }}
          />
          {isPage && data.at === given ?
            null :
            <PassedOver name="page" value={query.get("page") ?? ""}>is not there: page {data.at} is shown.</PassedOver>}
          {items.length === 0
            ? <Empty>{isFiltered ? "No flow run fits these filters." : "There are no flow runs."}</Empty>
            : null}
          {data.at > 1 || data.next !== null
            ? (
              <div class="pager">
                <button
                  type="button"
                  disabled={data.at === 1}
                  onClick={() => setQuery({ page: data.at === 2 ? null : data.at - 1 }, {})}
                >
                  Newer
                </button>
                <span>Page {data.at}</span>
                <button type="button" disabled={data.next === null} onClick={() => setQuery({ page: data.at + 1 }, {})}>
                  Older
                </button>
              </div>
            )
            : items.length > 0
            ? <p class="below">{plural(items.length, "flow run")}, newest first</p>
            : null}
        </>
      )}
    </>
  )
}

export const FlowRunsPage = () => {
  const { query } = useAddress()
  const names = useQuery("flow-names", () => client.flows.names())
  const flow = query.get("flow") ?? ""
  const state = query.get("state") ?? ""
  const known = (names.data ?? []).slice(0, 500).map(({ name }) => name)
  const flows = flow === "" || known.includes(flow) ? known : [flow, ...known]
  const states = state === "" || allNames.includes(state) ? allNames : [state, ...allNames]
  return (
    <>
      <Heading text="Flow runs" />
      <div class="filters" role="group" aria-label="Filters">
        <Search label="Search flow runs" />
        <Select
          label="Flow"
          name="flow"
          value={flow}
          options={[["", "All flows"], ...flows.map((name) => [name, visible(name)] as const)]}
        />
        <Select
          label="State"
          name="state"
          value={state}
          options={[["", "All states"], ...states.map((name) => [name, name] as const)]}
        />
        {flow !== "" || state !== "" || query.get("q") !== null
          ? (
            <button
              type="button"
              class="quiet"
              onClick={() => setQuery({ flow: null, state: null, q: null, page: null }, {})}
            >
              Clear
            </button>
          )
          : null}
      </div>
      <FlowRunList flowNames={true} />
    </>
  )
}
