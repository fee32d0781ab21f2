/** Instances of the flow's own classes as values of one's own; others stay inert data. */
import { ClassRegistry, ResultOptions } from "@effect-prefect/results"
import { Effect } from "effect"

class Point {
  readonly x: number
  constructor(x: number) {
    this.x = x
  }
}
const registry = ClassRegistry.make({
  "shapes.Point": ({ attributes }) => new Point(Number(attributes["x"]))
})
const options = await Effect.runPromise(
  Effect.provide(ResultOptions.ResultOptions, ResultOptions.layer({ registry }))
)
console.log(options.registry.decoders.size === 1 ? "ok" : options.registry)
