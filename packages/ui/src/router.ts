/** Addresses: the path selects the content, the query its presentation. */
import { useEffect, useState } from "preact/hooks"

/** The path prefix of the page. */
export const base = (document.querySelector("meta[name=effect-prefect-base]")?.getAttribute("content") ?? "").replace(
  /\/$/,
  ""
)

export interface Address {
  /** The parts of the path, decoded. */
  readonly parts: ReadonlyArray<string>
  readonly query: URLSearchParams
  /** Counts navigations: pages start anew with it. */
  readonly key: string
}

const decode = (part: string): string => {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

const read = (): Address => {
  const path = location.pathname.slice(base.length)
  const parts = path.split("/").filter((part) => part !== "").map(decode)
  return { parts, query: new URLSearchParams(location.search), key: path }
}

const listeners = new Set<() => void>()
let current = read()
const changed = () => {
  current = read()
  for (const listener of listeners) listener()
}
addEventListener("popstate", changed)

export const currentAddress = (): Address => current

/** Half of a surrogate pair cannot be encoded. */
const encode = (part: string): string => encodeURIComponent(part.replace(/\p{Cs}/gu, "\ufffd"))

/** An address of the page for a link. */
export const href = (
  parts: ReadonlyArray<string | number>,
  query: Readonly<Record<string, string | number | undefined>> = {}
): string => {
  const params = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") params.set(key, String(value))
  }
  const search = params.toString()
  return `${base}/${parts.map((part) => encode(String(part))).join("/")}${search === "" ? "" : `?${search}`}`
}

export const navigate = (to: string, options: { readonly replace?: boolean } = {}): void => {
  if (to === `${location.pathname}${location.search}`) return
  const samePath = new URL(to, location.href).pathname === location.pathname
  if (options.replace === true) history.replaceState(null, "", to)
  else history.pushState(null, "", to)
  changed()
  if (!samePath) scrollTo(0, 0)
}

/** Sets parts of the query; null removes one. */
export const setQuery = (
  changes: Readonly<Record<string, string | number | ReadonlyArray<string> | null>>,
  options: { readonly replace?: boolean } = { replace: true }
): void => {
  const params = new URLSearchParams(location.search)
  for (const [key, value] of Object.entries(changes)) {
    params.delete(key)
    if (value === null || value === "") continue
    if (Array.isArray(value)) { for (const one of value) params.append(key, one) }
    else params.set(key, String(value))
  }
  const search = params.toString()
  navigate(`${location.pathname}${search === "" ? "" : `?${search}`}`, options)
}

export const useAddress = (): Address => {
  const [address, set] = useState(current)
  useEffect(() => {
    const listener = () => set(current)
    listeners.add(listener)
    listener()
    return () => void listeners.delete(listener)
  }, [])
  return address
}

/** Follows links within the page without reloading it. */
export const followLinks = (): void => {
  document.addEventListener("click", (event) => {
    if (
      event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey
    ) return
    const link = (event.target as Element | null)?.closest?.("a")
    if (!link || link.target !== "" || link.hasAttribute("download")) return
    const to = new URL(link.href, location.href)
    if (to.origin !== location.origin || !to.pathname.startsWith(`${base}/`) || to.hash !== "") return
    event.preventDefault()
    navigate(`${to.pathname}${to.search}`)
  })
}
