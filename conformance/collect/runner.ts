/**
 * A runner of an Effect cluster that runs `CollectWorkflow`. Arguments: the database, the port, the job and the place;
 * with `execute` after them it also starts the workflow and prints its result.
 */
import * as CollectCluster from "@effect-prefect/collect/CollectCluster"
import * as CollectOutput from "@effect-prefect/collect/CollectOutput"
import * as CollectWorkflow from "@effect-prefect/collect/CollectWorkflow"
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import * as ClusterWorkflowEngine from "effect/cluster/ClusterWorkflowEngine"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

const [url = "", port = "", job = "", place = "", execute] = process.argv.slice(2)

const database = CollectCluster.layer({ url: Redacted.make(url) })
const runner = NodeClusterSocket.layer({
  storage: "sql",
  shardingConfig: {
    runnerAddress: Option.some(RunnerAddress.make("127.0.0.1", Number(port))),
    runnerListenAddress: Option.some(RunnerAddress.make("127.0.0.1", Number(port))),
    // A killed runner is noticed within seconds.
    shardLockRefreshInterval: "3 seconds",
    shardLockExpiration: "12 seconds",
    runnerHealthCheckInterval: "5 seconds"
  }
})
const open = (directory: string) => {
  console.log("opened")
  return CollectOutput.layerLocal(directory)
}
const workflow = CollectWorkflow.layer({ open, pollInterval: 1000 }).pipe(
  Layer.provideMerge(ClusterWorkflowEngine.layer),
  Layer.provideMerge(runner),
  Layer.provideMerge(database)
)

const program = execute === undefined
  ? Effect.never
  : Effect.flatMap(
    CollectWorkflow.Collect.execute({ job, place }),
    (collected) => Effect.sync(() => console.log(JSON.stringify(collected)))
  )
await Effect.runPromise(Effect.provide(program, workflow))
process.exit(0)
