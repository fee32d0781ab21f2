/** A layered layout of a graph of tasks: longest paths determine the layers, barycentres the order in them. */

export interface Layout {
  /** For each task its layer and its position in the layer. */
  readonly layer: ReadonlyArray<number>
  readonly place: ReadonlyArray<number>
  readonly layers: number
  /** The most tasks in one layer. */
  readonly widest: number
}

const sweeps = 8
/** The most tasks without edges that stay in the first layer. */
const fewAlone = 12

/** `edges` are pairs of positions of tasks. Edges that close a cycle are ignored. */
export const layout = (count: number, edges: ReadonlyArray<readonly [number, number]>): Layout => {
  const down: Array<Array<number>> = Array.from({ length: count }, () => [])
  const up: Array<Array<number>> = Array.from({ length: count }, () => [])
  const waiting = new Int32Array(count)
  for (const [from, to] of edges) {
    if (from === to) continue
    down[from]!.push(to)
    up[to]!.push(from)
    waiting[to] = waiting[to]! + 1
  }
  const layer = new Int32Array(count)
  const done = new Uint8Array(count)
  const queue: Array<number> = []
  for (let i = 0; i < count; i++) if (waiting[i] === 0) queue.push(i)
  let next = 0
  for (let handled = 0; handled < count; handled++) {
    if (queue.length <= handled) {
      // A cycle: one of its tasks goes first.
      while (done[next] === 1) next++
      queue.push(next)
    }
    const at = queue[handled]!
    if (done[at] === 1) {
      handled--
      queue.splice(handled + 1, 1)
      continue
    }
    done[at] = 1
    for (const to of down[at]!) {
      if (done[to] === 1) continue
      layer[to] = Math.max(layer[to]!, layer[at]! + 1)
      waiting[to] = waiting[to]! - 1
      if (waiting[to] === 0) queue.push(to)
    }
  }
  let layers = 0
  for (let i = 0; i < count; i++) layers = Math.max(layers, layer[i]! + 1)
  const rows: Array<Array<number>> = Array.from({ length: layers }, () => [])
  for (let i = 0; i < count; i++) rows[layer[i]!]!.push(i)
  // Tasks without any edge would make one endless column: they fill columns of their own, after the others.
  const alone = rows[0]?.filter((task) => down[task]!.length === 0 && up[task]!.length === 0) ?? []
  if (alone.length > fewAlone) {
    const linked = rows[0]!.filter((task) => down[task]!.length > 0 || up[task]!.length > 0)
    const connected = linked.length === 0 ? [] : [linked, ...rows.slice(1)]
    const tall = Math.max(fewAlone, Math.ceil(Math.sqrt(alone.length)), ...connected.map((row) => row.length))
    rows.splice(0, rows.length, ...connected)
    for (let i = 0; i < alone.length; i += tall) {
      for (const task of alone.slice(i, i + tall)) layer[task] = rows.length
      rows.push(alone.slice(i, i + tall))
    }
    layers = rows.length
  }
  const place = new Float64Array(count)
  for (const row of rows) row.forEach((task, i) => place[task] = i)
  const order = (row: Array<number>, neighbours: ReadonlyArray<ReadonlyArray<number>>) => {
    const centre = new Map<number, number>()
    for (const task of row) {
      const near = neighbours[task]!
      centre.set(task, near.length === 0 ? place[task]! : near.reduce((sum, one) => sum + place[one]!, 0) / near.length)
    }
    row.sort((left, right) => centre.get(left)! - centre.get(right)! || place[left]! - place[right]!)
    row.forEach((task, i) => place[task] = i)
  }
  for (let sweep = 0; sweep < sweeps; sweep++) {
    if (sweep % 2 === 0) { for (let i = 1; i < layers; i++) order(rows[i]!, up) }
    else for (let i = layers - 2; i >= 0; i--) order(rows[i]!, down)
  }
  return {
    layer: [...layer],
    place: [...place],
    layers,
    widest: rows.reduce((most, row) => Math.max(most, row.length), 0)
  }
}
