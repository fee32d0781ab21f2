/** The page: from an address to its content. */
import { Component, type ComponentChildren, render } from "preact"
import { useEffect } from "preact/hooks"
import { startEarly, takeToken } from "./api.ts"
import { readSetting } from "./data.ts"
import { applyTheme, Heading, Shell } from "./layout.tsx"
import { AboutPage } from "./pages/about.tsx"
import { FlowRunPage, isFlowRunView } from "./pages/flowRun.tsx"
import { FlowRunsPage } from "./pages/flowRuns.tsx"
import { FlowPage, FlowsPage } from "./pages/flows.tsx"
import { isTaskRunView, TaskRunBySlug, TaskRunPage } from "./pages/taskRun.tsx"
import { currentAddress, followLinks, href, navigate, useAddress } from "./router.ts"
// oxlint-disable-next-line import/no-unassigned-import -- a style has nothing to give
import "./style.css"

const NotFound = () => (
  <>
    <Heading text="Not found" />
    <p>
      There is no page at this address. <a href={href(["flow-runs"])}>All flow runs</a>
    </p>
  </>
)

const Go = ({ to }: { readonly to: string }) => {
  useEffect(() => navigate(to, { replace: true }), [to])
  return <Heading text="effect-prefect" />
}

/** The addresses of Prefect 1's and 3's own pages, which occur in old messages. */
const prefectAddress = (parts: ReadonlyArray<string>): string | undefined => {
  const rest = parts[0] === "runs" ? parts.slice(1) : parts
  const at = rest.findIndex((part) => part === "flow-run" || part === "task-run" || part === "flow")
  const id = rest[at + 1]
  if (at < 0 || at > 1 || id === undefined || (parts[0] === "runs" && at > 0)) return undefined
  return href([rest[at] === "flow-run" ? "flow-runs" : rest[at] === "task-run" ? "task-runs" : "flows", id])
}

const Routes = () => {
  const { parts } = useAddress()
  const [first, given, view, slug, index] = parts
  // Backends write UUIDs in lower case, other programs and people do not.
  const id = given !== undefined && /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(given)
    ? given.toLowerCase()
    : given
  if (first === undefined) return <Go to={href(["flow-runs"])} />
  if (first === "about" && parts.length === 1) return <AboutPage />
  if (first === "flows") {
    if (id === undefined) return <FlowsPage />
    if (parts.length === 2) return <FlowPage key={id} id={id} />
  }
  if (first === "flow-runs") {
    if (id === undefined) return <FlowRunsPage />
    if (parts.length === 2) return <FlowRunPage key={id} id={id} view="overview" />
    if (parts.length === 3 && view !== "overview" && isFlowRunView(view ?? "")) {
      return <FlowRunPage key={id} id={id} view={view ?? ""} />
    }
    if (view === "tasks" && slug !== undefined && parts.length <= 5) {
      return <TaskRunBySlug key={parts.join("/")} flowRunId={id} slug={slug} mapIndex={index} />
    }
  }
  if (first === "task-runs" && id !== undefined) {
    if (parts.length === 2) return <TaskRunPage key={id} id={id} view="overview" />
    if (parts.length === 3 && view !== "overview" && isTaskRunView(view ?? "")) {
      return <TaskRunPage key={id} id={id} view={view ?? ""} />
    }
  }
  const old = prefectAddress(parts)
  return old === undefined ? <NotFound /> : <Go to={old} />
}

/** A failure while a page is rendered replaces this page, and not the frame around it. */
class Boundary extends Component<{ readonly children: ComponentChildren }, { readonly failed: boolean }> {
  override state = { failed: false }
  static override getDerivedStateFromError() {
    return { failed: true }
  }
  override render() {
    return this.state.failed
      ? (
        <div class="alert" role="alert">
          <strong>This page failed</strong>
          <p>It could not be displayed: reload it, or go to another page.</p>
        </div>
      )
      : this.props.children
  }
}

const App = () => {
  const { key } = useAddress()
  return (
    <Shell>
      <Boundary key={key}>
        <Routes />
      </Boundary>
    </Shell>
  )
}

/** What the page at an address requests first, in any case. */
const firstRequests = ([first, id, view]: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (first !== "task-runs" || !/^[\w-]+$/.test(id ?? "")) return []
  return [`/task-runs/${id}`, ...(view === "children" ? [`/task-runs/${id}/children/states`] : [])]
}

takeToken()
startEarly(firstRequests(currentAddress().parts))
applyTheme(readSetting("theme", "system"))
followLinks()
render(<App />, document.getElementById("app")!)
