import type { Flow, FlowName, Graph } from "@effect-prefect/ui-api/Models"
import { useMemo } from "preact/hooks"
import { client } from "../api.ts"
import { useQuery } from "../data.ts"
import { GraphView } from "../graph.tsx"
import { Grid } from "../grid.tsx"
import { Heading } from "../layout.tsx"
import { Alert, Empty, Facts, JsonBlock, Time, Waiting } from "../parts.tsx"
import { href, navigate } from "../router.ts"
import { nameText, visible } from "../text.ts"
import { FlowRunList } from "./flowRuns.tsx"

export const FlowsPage = () => {
  const names = useQuery("flow-names", () => client.flows.names())
  const { data, failure, reload } = names
  const open = ({ latest }: FlowName) => navigate(href(["flows", latest]))
  return (
    <>
      <Heading text="Flows" />
      {failure === undefined ? null : <Alert failure={failure} onRetry={reload} />}
      {data === undefined ? <Waiting label="Loading flows" query={names} /> : (
        <>
          <Grid
            label="Flows"
            rowCount={data.length}
            row={(index) => data[index]}
            onOpen={open}
            columns={[
              {
                key: "name",
                title: "Name",
                width: "2fr",
                render: ({ latest, name }) => <a tabIndex={-1} href={href(["flows", latest])}>{nameText(name)}</a>
              },
              { key: "versions", title: "Versions", width: 100, isNumber: true, render: ({ versions }) => versions },
              {
                key: "runs",
                title: "Runs",
                width: "1fr",
                from: 480,
                render: ({ name }) => <a tabIndex={-1} href={href(["flow-runs"], { flow: name })}>Its runs</a>
              }
            ]}
          />
          {data.length === 0 ? <Empty>There are no flows.</Empty> : null}
        </>
      )}
    </>
  )
}

const parameterRows = (
  parameters: unknown
): ReadonlyArray<{ readonly name: string; readonly required: boolean; readonly value: unknown }> =>
  Array.isArray(parameters)
    ? parameters.flatMap((one: unknown) =>
      typeof one === "object" && one !== null && "name" in one
        ? [{
          name: String(one.name),
          required: "required" in one && one.required === true,
          value: "default" in one ? one.default : null
        }]
        : []
    )
    : []

/** The graph in a flow's own description; undefined when it has none. */
const graphOf = (serialized: unknown): Graph | undefined => {
  if (typeof serialized !== "object" || serialized === null) return undefined
  const list = (name: "tasks" | "edges"): ReadonlyArray<Readonly<Record<string, unknown>>> => {
    const value = (serialized as Readonly<Record<string, unknown>>)[name]
    return Array.isArray(value) ? value.filter((one) => typeof one === "object" && one !== null) : []
  }
  const slugOf = (task: unknown): string =>
    typeof task === "object" && task !== null && "slug" in task ? String(task.slug) : ""
  const places = new Map<string, number>()
  for (const task of list("tasks")) {
    const slug = slugOf(task)
    if (slug !== "" && !places.has(slug)) places.set(slug, places.size)
  }
  if (places.size === 0) return undefined
  const edges = list("edges").flatMap((edge): Graph["edges"] => {
    const up = places.get(slugOf(edge["upstream_task"]))
    const down = places.get(slugOf(edge["downstream_task"]))
    return up === undefined || down === undefined
      ? []
      : [[up, down, typeof edge["key"] === "string" ? edge["key"] : null, edge["mapped"] === true]]
  })
  const mapped = new Set(edges.flatMap(([, down, , isMapped]) => isMapped ? [down] : []))
  return {
    tasks: [...places].map(([slug, place]) => ({ task_id: slug, task_slug: slug, mapped: mapped.has(place) })),
    edges
  }
}

const Details = ({ flow }: { readonly flow: Flow }) => {
  const parameters = parameterRows(flow.parameters)
  const graph = useMemo(() => graphOf(flow.serialized_flow), [flow])
  return (
    <>
      <section class="panel">
        <Facts
          rows={[
            ["Version", flow.version ?? null],
            ["Created", flow.created ? <Time value={flow.created} /> : null],
            ["Prefect", flow.core_version ? visible(flow.core_version) : null],
            ["Archived", flow.archived === true ? "yes" : null],
            ["Description", flow.description ? visible(flow.description) : null],
            ["Id", <code>{visible(flow.flow_id)}</code>]
          ]}
        />
        {parameters.length === 0 ? null : (
          <>
            <h2>Parameters</h2>
            <ul class="plain">
              {parameters.map(({ name, required, value }) => (
                <li key={name}>
                  <code>{visible(name)}</code> {required ? "required" : (
                    <>
                      = <code>{visible(JSON.stringify(value) ?? "null")}</code>
                    </>
                  )}
                </li>
              ))}
            </ul>
          </>
        )}
        {flow.run_config === null || flow.run_config === undefined ? null : (
          <details>
            <summary>Run configuration</summary>
            <JsonBlock value={flow.run_config} />
          </details>
        )}
      </section>
      {graph === undefined ? null : (
        <>
          <h2>Graph</h2>
          <GraphView id={undefined} graph={graph} tasks={[]} />
        </>
      )}
      <h2>Runs</h2>
      <FlowRunList flowId={flow.flow_id} flowNames={false} />
    </>
  )
}

export const FlowPage = ({ id }: { readonly id: string }) => {
  const flow = useQuery(`flow ${id}`, () => client.flows.show({ params: { id } }))
  const { data, failure, reload } = flow
  const isMissing = failure?.tag === "NotFound"
  const title = isMissing ? "Not found" : data === undefined ? "Flow" : nameText(data.name ?? data.flow_id)
  return (
    <>
      <Heading text={title} above={<a href={href(["flows"])}>Flows</a>} />
      {failure === undefined ? null : <Alert failure={failure} onRetry={isMissing ? undefined : reload} />}
      {data === undefined ? <Waiting label="Loading the flow" query={flow} /> : <Details flow={data} />}
    </>
  )
}
