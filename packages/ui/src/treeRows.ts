/** The rows of a tree of which only the expanded parts are loaded: independent of the document. */

/** An expanded container. */
export interface OpenNode {
  readonly path: string
  readonly size: number
  readonly level: number
  /** The expanded containers among its entries, by position. */
  readonly open: Map<number, OpenNode>
}

/** Consecutive entries of one container. */
export interface Segment {
  readonly node: OpenNode
  /** The position of the first entry in the container, and in the tree. */
  readonly from: number
  readonly row: number
  readonly count: number
}

/**
 * The tree as runs of rows: a container consists of one more run than it has expanded entries, however many entries
 * there are.
 */
export const segmentsOf = (root: OpenNode): { readonly segments: ReadonlyArray<Segment>; readonly rows: number } => {
  const segments: Array<Segment> = []
  let row = 0
  const add = (node: OpenNode, from: number, to: number) => {
    if (to <= from) return
    segments.push({ node, from, row, count: to - from })
    row += to - from
  }
  const walk = (node: OpenNode) => {
    let from = 0
    for (const [place, child] of [...node.open].sort(([left], [right]) => left - right)) {
      if (place >= node.size) continue
      add(node, from, place + 1)
      from = place + 1
      walk(child)
    }
    add(node, from, node.size)
  }
  walk(root)
  return { segments, rows: row }
}

/** The entry at a row of the tree. */
export const entryAt = (
  segments: ReadonlyArray<Segment>,
  row: number
): { readonly node: OpenNode; readonly place: number } | undefined => {
  let low = 0
  let high = segments.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const segment = segments[middle]!
    if (row < segment.row) high = middle - 1
    else if (row >= segment.row + segment.count) low = middle + 1
    else return { node: segment.node, place: segment.from + row - segment.row }
  }
  return undefined
}

/** The row of the tree for an entry of a container. */
export const rowOf = (segments: ReadonlyArray<Segment>, node: OpenNode, place: number): number => {
  for (const segment of segments) {
    if (segment.node === node && place >= segment.from && place < segment.from + segment.count) {
      return segment.row + place - segment.from
    }
  }
  return -1
}

export const pointer = (path: string, key: string): string =>
  `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`
