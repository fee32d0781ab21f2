/** Instances of the flow's own classes as values of one's own: by a function, and by a schema. */
import { MemoryApi } from "@effect-prefect/api"
import { PyObject } from "@effect-prefect/pickle"
import { ClassRegistry, MemoryStorage, ResultOptions, TaskRun } from "@effect-prefect/results"
import { Effect, Layer, Schema } from "effect"
import assert from "node:assert/strict"

class Point extends Schema.Class<Point>("Point")({ x: Schema.Int, y: Schema.Int }) {
  get length() {
    return Math.hypot(this.x, this.y)
  }
}
class Line {
  readonly points: ReadonlyArray<Point>
  constructor(points: ReadonlyArray<Point>) {
    this.points = points
  }
}
const registry = ClassRegistry.make({
  "shapes.Point": ClassRegistry.schema(Point),
  "shapes.Line": ({ attributes }) => new Line(attributes["points"] as ReadonlyArray<Point>)
})

// shapes.Line([shapes.Point(1, 2), shapes.Point(3, 4)]), pickled by Python.
const pickled = Buffer.from(
  "gASVWQAAAAAAAACMBnNoYXBlc5SMBExpbmWUk5QpgZR9lIwGcG9pbnRzlF2UKGgAjAVQb2ludJSTlCmBlH2UKIwBeJRLAYwBeZRLAnViaAgpgZR9" +
    "lChoC0sDaAxLBHViZXNiLg==",
  "base64"
)
const Prefect = Layer.merge(
  MemoryApi.layer({
    task_run: [{
      id: "r1",
      serialized_state: { type: "Success", _result: { type: "LocalResult", location: "/x", dir: "/" } }
    }]
  }),
  MemoryStorage.layer({ "/x": pickled })
)
const read = Effect.flatMap(TaskRun.fromTaskRunId("r1"), (taskRun) => taskRun.getResult)

const line = await Effect.runPromise(read.pipe(
  Effect.provide(Layer.merge(Prefect, ResultOptions.layer({ registry })))
))
assert.ok(line instanceof Line)
assert.deepEqual(line.points.map(({ length }) => length), [Math.hypot(1, 2), 5])

// Without it the objects are inert data.
const inert = await Effect.runPromise(Effect.provide(read, Prefect))
assert.ok(inert instanceof PyObject && inert.className === "shapes.Line")
console.log("ok")
