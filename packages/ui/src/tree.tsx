/** A value as a tree, loaded level by level. */
import type { ValueLevel } from "@effect-prefect/ui-api/Models"
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks"
import { client, type Failure, run } from "./api.ts"
import { Alert, Empty, Loading, PassedOver, Stopped } from "./parts.tsx"
import { setQuery, useAddress } from "./router.ts"
import { reveal, rowAt, scrollHeight } from "./scroll.ts"
import { short, visible } from "./text.ts"
import { entryAt, type OpenNode, pointer, rowOf, segmentsOf } from "./treeRows.ts"

type Item = ValueLevel["items"][number]

const rowHeight = 26
const pageSize = 100
/** The most keys of an object that are searched for one that an address names. */
const mostKeys = 10_000

interface Level {
  readonly kind: string
  readonly size: number
  readonly items: Map<number, Item>
  readonly asked: Set<number>
}

export const Tree = ({ id, scalar, visibleRows = 22 }: {
  readonly id: string
  /** The value itself, when it is not a container. */
  readonly scalar: { readonly preview: string; readonly kind: string } | undefined
  readonly visibleRows?: number
}) => {
  const { query } = useAddress()
  const wanted = query.get("path")
  const levels = useRef(new Map<string, Level>())
  const root = useRef<OpenNode | undefined>(undefined)
  const [version, redraw] = useState(0)
  const [failure, fail] = useState<Failure | undefined>(undefined)
  const [isStopped, setStopped] = useState(false)
  const [isMissed, setMissed] = useState(false)
  const [active, setActive] = useState(0)
  const [scrollTop, setScrollTop] = useState(0)
  const box = useRef<HTMLDivElement>(null)
  const controller = useRef(new AbortController())
  const sought = useRef<number | undefined>(undefined)
  const domId = useId()

  const load = (path: string, offset: number, then?: (level: Level) => void) => {
    const known = levels.current.get(path)
    if (known?.asked.has(offset) === true) {
      if (known.items.size > 0 || known.size === 0) then?.(known)
      return
    }
    known?.asked.add(offset)
    run(
      client.results.value({ params: { id }, query: { path, offset, limit: pageSize } }),
      controller.current.signal,
      ({ items, kind, size }) => {
        const level = levels.current.get(path) ?? { kind, size, items: new Map(), asked: new Set([offset]) }
        levels.current.set(path, level)
        items.forEach((item, i) => level.items.set(offset + i, item))
        then?.(level)
        redraw((n) => n + 1)
      },
      (problem) => {
        levels.current.get(path)?.asked.delete(offset)
        fail(problem)
      }
    )
  }
  const begin = () => {
    controller.current = new AbortController()
    levels.current = new Map()
    root.current = undefined
    fail(undefined)
    setStopped(false)
    const isWanted = wanted !== null && wanted !== ""
    setMissed(isWanted && (scalar !== undefined || !wanted.startsWith("/")))
    if (scalar === undefined) {
      load("", 0, (level) => {
        root.current = { path: "", size: level.size, level: 1, open: new Map() }
        if (isWanted && wanted.startsWith("/")) openPath(root.current, wanted.split("/").slice(1))
      })
    }
  }
  useEffect(() => {
    begin()
    return () => controller.current.abort()
  }, [id])

  /** Finds the place of a key in a level. The keys of a large object come page by page. */
  const placeOf = (node: OpenNode, key: string, offset: number, then: (place: number | undefined) => void): void => {
    load(node.path, offset, (level) => {
      if (level.kind === "array" || level.kind === "table") {
        return then(/^\d+$/.test(key) && Number(key) < node.size ? Number(key) : undefined)
      }
      const next = offset + pageSize
      const place = [...level.items].find(([, item]) => item.key === key)?.[0]
      if (place !== undefined || next >= Math.min(node.size, mostKeys)) then(place)
      else placeOf(node, key, next, then)
    })
  }
  const openPath = (node: OpenNode, [key, ...rest]: ReadonlyArray<string>) => {
    const name = (key ?? "").replaceAll("~1", "/").replaceAll("~0", "~")
    placeOf(node, name, 0, (place) => {
      if (place === undefined) return setMissed(true)
      if (rest.length > 0) return open(node, place, name, (child) => openPath(child, rest))
      setTimeout(() => {
        const row = rowOf(segmentsOf(root.current!).segments, node, place)
        if (row < 0) return
        setActive(row)
        // It is brought into view when its level is laid out.
        sought.current = row
        redraw((n) => n + 1)
      })
    })
  }
  const open = (node: OpenNode, place: number, key: string, then?: (child: OpenNode) => void) => {
    const path = pointer(node.path, key)
    load(path, 0, (level) => {
      const child: OpenNode = node.open.get(place) ?? { path, size: level.size, level: node.level + 1, open: new Map() }
      node.open.set(place, child)
      redraw((n) => n + 1)
      then?.(child)
    })
  }
  const close = (node: OpenNode, place: number) => {
    node.open.delete(place)
    redraw((n) => n + 1)
  }

  const { rows, segments } = useMemo(
    () =>
      scalar !== undefined
        ? { rows: 1, segments: [] }
        : root.current === undefined
        ? { rows: 0, segments: [] }
        : segmentsOf(root.current),
    [version, scalar, root.current]
  )
  const view = Math.min(rows, visibleRows) * rowHeight
  const extent = { rows, rowHeight, view }
  const top = rowAt(extent, scrollTop)
  const first = Math.max(0, Math.floor(top) - 3)
  const last = Math.min(rows, Math.ceil(top + visibleRows) + 3)
  const bring = (row: number) => {
    if (box.current !== null) {
      box.current.scrollTop = reveal({ rows, rowHeight, view: box.current.clientHeight }, box.current.scrollTop, row)
    }
  }
  useLayoutEffect(() => {
    if (sought.current === undefined || sought.current >= rows || box.current === null) return
    bring(sought.current)
    sought.current = undefined
  }, [version, rows])
  useLayoutEffect(() => {
    for (let row = first; row < last; row++) {
      const entry = entryAt(segments, row)
      if (entry === undefined) continue
      const level = levels.current.get(entry.node.path)
      if (level !== undefined && !level.items.has(entry.place)) {
        load(entry.node.path, Math.floor(entry.place / pageSize) * pageSize)
      }
    }
  }, [first, last, version])

  const at = Math.min(active, Math.max(0, rows - 1))
  const itemAt = (
    row: number
  ): { readonly node: OpenNode; readonly place: number; readonly item: Item | undefined } | undefined => {
    const entry = entryAt(segments, row)
    return entry === undefined
      ? undefined
      : { ...entry, item: levels.current.get(entry.node.path)?.items.get(entry.place) }
  }
  const select = (row: number) => {
    const to = Math.max(0, Math.min(rows - 1, row))
    setActive(to)
    setMissed(false)
    bring(to)
    const entry = itemAt(to)
    if (entry?.item !== undefined) setQuery({ path: pointer(entry.node.path, entry.item.key) })
  }
  const toggle = (row: number) => {
    const entry = itemAt(row)
    if (entry?.item === undefined || entry.item.size === 0) return
    if (entry.node.open.has(entry.place)) close(entry.node, entry.place)
    else open(entry.node, entry.place, entry.item.key)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.metaKey || event.altKey || event.ctrlKey || event.target !== event.currentTarget) return
    const entry = itemAt(at)
    switch (event.key) {
      case "ArrowDown":
        select(at + 1)
        break
      case "ArrowUp":
        select(at - 1)
        break
      case "PageDown":
        select(at + visibleRows - 2)
        break
      case "PageUp":
        select(at - visibleRows + 2)
        break
      case "Home":
        select(0)
        break
      case "End":
        select(rows - 1)
        break
      case "ArrowRight":
        if (entry?.item === undefined || entry.item.size === 0) break
        if (entry.node.open.has(entry.place)) select(at + 1)
        else toggle(at)
        break
      case "ArrowLeft":
        if (entry === undefined) break
        if (entry.node.open.has(entry.place)) close(entry.node, entry.place)
        else {
          // Its container is the entry before the first one of its level.
          for (let row = at - 1; row >= 0; row--) {
            const other = entryAt(segments, row)
            if (other?.node.open.get(other.place) === entry.node) {
              select(row)
              break
            }
          }
        }
        break
      case "Enter":
      case " ":
        toggle(at)
        break
      default:
        return
    }
    event.preventDefault()
  }
  const nameOf = (node: OpenNode, item: Item): string => {
    const kind = levels.current.get(node.path)?.kind
    return kind === "array" || kind === "table" ? `[${item.key}]` : visible(item.key)
  }
  if (failure !== undefined && rows === 0) {
    return <Alert failure={failure} onRetry={begin} />
  }
  if (rows === 0) {
    if (root.current !== undefined) return <Empty>It is empty.</Empty>
    return isStopped
      ? <Stopped onStart={begin} />
      : (
        <Loading
          label="Loading the value"
          onStop={() => {
            controller.current.abort()
            setStopped(true)
          }}
        />
      )
  }
  return (
    <>
      {isMissed && wanted !== null
        ? <PassedOver name="path" value={wanted}>is not there.</PassedOver>
        : null}
      {failure === undefined ? null : (
        <Alert
          failure={failure}
          onRetry={() => {
            fail(undefined)
            redraw((n) => n + 1)
          }}
        />
      )}
      <div
        ref={box}
        class="tree"
        role="tree"
        aria-label="Value"
        tabIndex={0}
        aria-activedescendant={at >= first && at < last ? `${domId}-${at}` : undefined}
        style={{ height: `${view + 2}px` }}
        onKeyDown={onKeyDown}
        onScroll={(event) => setScrollTop(event.currentTarget.scrollTop)}
      >
        <div role="presentation" class="tree-spacer" style={{ height: `${scrollHeight(extent)}px` }}>
          <div role="presentation" class="tree-window" style={{ height: `${view}px` }}>
            {scalar !== undefined
              ? (
                <div
                  id={`${domId}-0`}
                  role="treeitem"
                  aria-level={1}
                  aria-setsize={1}
                  aria-posinset={1}
                  aria-label={`value: ${visible(scalar.preview)}`}
                  class="tree-row active"
                >
                  <span class={`preview preview-${scalar.kind}`}>{visible(scalar.preview)}</span>
                </div>
              )
              : Array.from({ length: last - first }, (_, i) => {
                const row = first + i
                const entry = itemAt(row)
                if (entry === undefined) return null
                const { item, node, place } = entry
                const isOpen = node.open.has(place)
                const label = item === undefined
                  ? `${place}: loading`
                  : `${nameOf(node, item)}: ${visible(item.preview)}`
                return (
                  <div
                    key={`${node.path} ${place}`}
                    id={`${domId}-${row}`}
                    role="treeitem"
                    aria-label={label}
                    aria-level={node.level}
                    aria-setsize={node.size}
                    aria-posinset={place + 1}
                    aria-expanded={item !== undefined && item.size > 0 ? isOpen ? "true" : "false" : undefined}
                    aria-selected={row === at ? "true" : "false"}
                    class={`tree-row${row === at ? " active" : ""}`}
                    style={{
                      transform: `translateY(${(row - top) * rowHeight}px)`,
                      paddingLeft: `${Math.min(node.level, 24) * 16 - 6}px`
                    }}
                    onClick={() => {
                      select(row)
                      toggle(row)
                    }}
                  >
                    <span
                      class={`twist${item !== undefined && item.size > 0 ? isOpen ? " open" : " closed" : ""}`}
                      aria-hidden="true"
                    />
                    {item === undefined ? <span class="skeleton" /> : (
                      <>
                        <span class="tree-key">{nameOf(node, item)}:</span>
                        <span class={`preview preview-${item.kind}`} title={visible(item.preview)}>
                          {short(visible(item.preview), 400)}
                        </span>
                      </>
                    )}
                  </div>
                )
              })}
          </div>
        </div>
      </div>
    </>
  )
}
