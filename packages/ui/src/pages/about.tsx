import { client } from "../api.ts"
import { useQuery } from "../data.ts"
import { Heading, KeyList } from "../layout.tsx"
import { Alert, Facts, Waiting } from "../parts.tsx"
import { plural, visible } from "../text.ts"

const kinds: Readonly<Record<string, string>> = {
  archive: "An archive folder",
  api: "A Prefect 1 GraphQL API",
  database: "A Prefect 1 server's Postgres",
  prefect3: "A Prefect 2 or 3 server",
  other: "A backend of its own"
}

export const AboutPage = () => {
  const backend = useQuery("backend", () => client.backend.backend())
  const { data, failure, reload } = backend
  return (
    <>
      <Heading text="About" />
      {failure === undefined ? null : <Alert failure={failure} onRetry={reload} />}
      {data === undefined ? <Waiting label="Loading" query={backend} /> : (
        <>
          <section class="panel" aria-label="Backend">
            <h2>Backend</h2>
            <Facts
              rows={[
                ["Read from", kinds[data.kind] ?? data.kind],
                ["Called", visible(data.name)],
                ["effect-prefect", data.version],
                [
                  "Changes",
                  data.can.changes ? "followed while a run is not finished" : "none: an archive stays as it is"
                ]
              ]}
            />
          </section>
          <section class="panel" aria-label="What may be read">
            <h2>What may be read</h2>
            <p class="dim">
              Results are read from these places and from no other. Add one with <code>--mount FROM[=DIR]</code>.
            </p>
            {data.mounts.length === 0 ?
              <p>No place is allowed: only results that stand in the backend itself are shown.</p> :
              (
                <ul class="plain mounts">
                  {data.mounts.map(({ from, to }, i) => (
                    <li key={i}>
                      <code>{visible(from)}</code>
                      {to === null ? null : (
                        <>
                          {" "}
                          read from <code>{visible(to)}</code>
                        </>
                      )}
                    </li>
                  ))}
                </ul>
              )}
          </section>
          {data.problems.length === 0 ? null : (
            <section class="panel" aria-label="Lines that could not be used">
              <h2>{plural(data.problems.length, "line")} that could not be used</h2>
              <ul class="plain">
                {data.problems.slice(0, 200).map(({ place, problem }, i) => (
                  <li key={i}>
                    <code>{visible(place)}</code> {visible(problem)}
                  </li>
                ))}
              </ul>
              {data.problems.length > 200 ? <p class="dim">The first 200 are shown.</p> : null}
            </section>
          )}
        </>
      )}
      <section class="panel" aria-label="Keys">
        <h2>Keys</h2>
        <KeyList />
      </section>
    </>
  )
}
