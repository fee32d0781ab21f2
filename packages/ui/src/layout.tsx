/** The frame of every page: banner, navigation, heading, and the settings for all pages. */
import type { ComponentChildren } from "preact"
import { useEffect, useRef, useState } from "preact/hooks"
import { useSetting } from "./data.ts"
import { useZone } from "./parts.tsx"
import { href, setQuery, useAddress } from "./router.ts"

type Theme = "system" | "light" | "dark"

export const applyTheme = (theme: string): void => {
  if (theme === "light" || theme === "dark") document.documentElement.dataset["theme"] = theme
  else delete document.documentElement.dataset["theme"]
}

const nextTheme: Readonly<Record<Theme, Theme>> = { system: "dark", dark: "light", light: "system" }

const keys: ReadonlyArray<readonly [string, ReadonlyArray<readonly [string, string]>]> = [
  ["Everywhere", [["/", "Go to the search field"], ["?", "This list"]]],
  ["Tables", [
    ["Arrows", "The next cell"],
    ["Home, End", "The first and last cell of a row"],
    ["Ctrl+Home, Ctrl+End", "The first and last row"],
    ["Page Up, Page Down", "A page of rows"],
    ["Enter", "Open the row"]
  ]],
  ["Heat map", [
    ["Arrows, Home, End, Page Up, Page Down", "Another child"],
    ["n, p", "The next and previous child that failed"],
    ["Enter", "Open the child"],
    ["+, -", "Larger and smaller"]
  ]],
  ["Value", [
    ["Up, Down, Home, End", "Another entry"],
    ["Right, Left", "Open and close, or go in and out"],
    ["Enter, Space", "Open or close"]
  ]],
  ["Graph and timeline", [
    ["Arrows, Home, End", "Another task"],
    ["Enter", "Open the task"],
    ["+, -", "Larger and smaller"],
    ["Space", "Open or close a mapped task's children (timeline)"]
  ]]
]

export const KeyList = () => (
  <div class="keys">
    {keys.map(([title, rows]) => (
      <section key={title}>
        <h3>{title}</h3>
        <dl>
          {rows.map(([key, what]) => (
            <div key={key}>
              <dt>
                {key.split(", ").map((one) => <kbd key={one}>{one}</kbd>)}
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
      </section>
    ))}
  </div>
)

const Keys = ({ onClose }: { readonly onClose: () => void }) => {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    dialog.current?.showModal()
  }, [])
  return (
    <dialog ref={dialog} aria-label="Keys" onClose={onClose}>
      <div class="dialog-head">
        <h2>Keys</h2>
        <button type="button" onClick={() => dialog.current?.close()}>Close</button>
      </div>
      <KeyList />
    </dialog>
  )
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(?:input|textarea|select)$/i.test(target.tagName))

export const Shell = ({ children }: { readonly children: ComponentChildren }) => {
  const { parts } = useAddress()
  const [theme, setTheme] = useSetting<Theme>("theme", "system")
  const [zone, setZone] = useZone()
  const [showsKeys, showKeys] = useState(false)
  useEffect(() => applyTheme(theme), [theme])
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
      if (event.key === "?") {
        showKeys(true)
        event.preventDefault()
      } else if (event.key === "/") {
        const search = document.querySelector<HTMLInputElement>("main input[type=search]")
        if (search !== null) {
          search.focus()
          event.preventDefault()
        }
      }
    }
    addEventListener("keydown", onKey)
    return () => removeEventListener("keydown", onKey)
  }, [])
  const section = parts[0] === "flows" ? "flows" : parts[0] === "about" ? "about" : "flow-runs"
  const link = (to: string, text: string) => (
    <a href={href([to])} aria-current={section === to ? (parts.length === 1 ? "page" : "true") : undefined}>{text}</a>
  )
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault()
          document.getElementById("main")?.focus()
        }}
      >
        Skip to content
      </a>
      <header class="banner" role="banner">
        <div class="banner-inner">
          <a class="brand" href={href(["flow-runs"])} aria-label="effect-prefect">
            <BrandMark />
            <span class="brand-name">effect-prefect</span>
          </a>
          <nav aria-label="Main">
            {link("flow-runs", "Flow runs")}
            {link("flows", "Flows")}
            {link("about", "About")}
          </nav>
          <div class="banner-tools">
            <button
              type="button"
              class="quiet"
              onClick={() => {
                const next = zone === "UTC" ? "local" : "UTC"
                setZone(next)
                setQuery({ tz: next === "UTC" ? null : next })
              }}
            >
              Times: {zone}
            </button>
            <button type="button" class="quiet" onClick={() => setTheme(nextTheme[theme] ?? "dark")}>
              Theme: {theme}
            </button>
            <button type="button" class="quiet" onClick={() => showKeys(true)} aria-label="Keys">?</button>
          </div>
        </div>
      </header>
      <main id="main" tabIndex={-1}>{children}</main>
      {showsKeys ? <Keys onClose={() => showKeys(false)} /> : null}
    </>
  )
}

const BrandMark = () => (
  <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
    <rect width="32" height="32" rx="7" fill="#2b56c6" />
    {[0, 1, 2].flatMap((y) =>
      [0, 1, 2].map((x) => (
        <rect
          key={`${x}${y}`}
          x={7 + x * 6.5}
          y={7 + y * 6.5}
          width="5"
          height="5"
          rx="1"
          fill={x === 1 && y === 1 ? "#ff9d94" : "#fff"}
          opacity={(x + 2 * y) % 4 === 2 ? 0.55 : 1}
        />
      ))
    )}
  </svg>
)

/** Sets the title of the document. */
const useTitle = (heading: string): void => {
  useEffect(() => {
    document.title = `${heading} · effect-prefect`
  }, [heading])
}

export const Heading = ({ above, beside, text }: {
  readonly text: string
  readonly above?: ComponentChildren
  readonly beside?: ComponentChildren
}) => {
  useTitle(text)
  return (
    <div class="heading">
      {above === undefined ? null : <p class="crumbs">{above}</p>}
      <div class="heading-line">
        <h1 title={text.length > 100 ? text : undefined}>{text}</h1>
        {beside}
      </div>
    </div>
  )
}

/** The views of a run, as links. */
export const Views = ({ current, views }: {
  readonly current: string
  readonly views: ReadonlyArray<readonly [name: string, to: string, text: string]>
}) => (
  <nav class="views" aria-label="Views">
    {views.map(([name, to, text]) => (
      <a key={name} href={to} aria-current={name === current ? "page" : undefined}>{text}</a>
    ))}
  </nav>
)
