/** The page's worker: computes graph layouts off the main thread. */
import { layout } from "./graphLayout.ts"

interface Job {
  readonly count: number
  readonly edges: ReadonlyArray<readonly [number, number]>
}

addEventListener("message", (event: MessageEvent<Job>) => {
  const { count, edges } = event.data
  postMessage(layout(count, edges))
})
