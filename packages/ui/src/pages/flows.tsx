import type { Flow, FlowName } from "@effect-prefect/ui-api/Models"
import { client } from "../api.ts"
import { useQuery } from "../data.ts"
import { Grid } from "../grid.tsx"
import { Heading } from "../layout.tsx"
import { Alert, Empty, Facts, JsonBlock, Loading, Time } from "../parts.tsx"
import { href, navigate } from "../router.ts"
import { visible } from "../text.ts"
import { FlowRunList } from "./flowRuns.tsx"

export const FlowsPage = () => {
  const { data, failure, isLoading, reload } = useQuery("flow-names", () => client.flows.names())
  const open = ({ latest }: FlowName) => navigate(href(["flows", latest]))
  return (
    <>
      <Heading text="Flows" />
      {failure === undefined ? null : <Alert failure={failure} onRetry={reload} />}
      {data === undefined ? isLoading ? <Loading label="Loading flows" /> : null : (
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
                render: ({ latest, name }) => <a tabIndex={-1} href={href(["flows", latest])}>{visible(name)}</a>
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

const Details = ({ flow }: { readonly flow: Flow }) => {
  const parameters = parameterRows(flow.parameters)
  return (
    <>
      <section class="panel">
        <Facts
          rows={[
            ["Version", flow.version ?? null],
            ["Created", flow.created ? <Time value={flow.created} /> : null],
            ["Prefect", flow.core_version ?? null],
            ["Archived", flow.archived === true ? "yes" : null],
            ["Description", flow.description ? visible(flow.description) : null],
            ["Id", <code>{flow.flow_id}</code>]
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
      <h2>Runs</h2>
      <FlowRunList flowId={flow.flow_id} flowNames={false} />
    </>
  )
}

export const FlowPage = ({ id }: { readonly id: string }) => {
  const { data, failure, isLoading, reload } = useQuery(`flow ${id}`, () => client.flows.show({ params: { id } }))
  const isMissing = failure?.tag === "NotFound"
  const title = isMissing ? "Not found" : data === undefined ? "Flow" : visible(data.name ?? data.flow_id)
  return (
    <>
      <Heading text={title} above={<a href={href(["flows"])}>Flows</a>} />
      {failure === undefined ? null : <Alert failure={failure} onRetry={isMissing ? undefined : reload} />}
      {data === undefined ? isLoading ? <Loading label="Loading the flow" /> : null : <Details flow={data} />}
    </>
  )
}
