import * as Command from "effect/cli/Command"
import * as Inputs from "../inputs/collect.ts"
import { descriptions } from "../internal/descriptions.ts"
import { lazyHandler } from "../internal/lazyHandler.ts"

const worker = Command.make(
  "worker",
  Inputs.worker,
  lazyHandler(() => import("../handlers/collect.ts").then((_) => _.worker))
).pipe(
  Command.withDescription(
    "Process the parts that collect --cluster enqueues, until SIGTERM; unfinished parts are then returned at once"
  ),
  Command.withExamples([{
    command: "effect-prefect collect worker --cluster postgresql://collect@db/collect --database " +
      "postgresql://reader@db/prefect_server --mount s3://prefect-results",
    description: "One worker per core, on any number of machines"
  }])
)

const status = Command.make(
  "status",
  Inputs.status,
  lazyHandler(() => import("../handlers/collect.ts").then((_) => _.status))
).pipe(
  Command.withDescription("Show the progress of a collection"),
  Command.withExamples([
    { command: "effect-prefect collect status ./table", description: "From the content of the folder" },
    {
      command: "effect-prefect collect status --cluster postgresql://collect@db/collect",
      description: "The jobs of a cluster and its workers"
    }
  ])
)

const verify = Command.make(
  "verify",
  Inputs.verify,
  lazyHandler(() => import("../handlers/collect.ts").then((_) => _.verify))
).pipe(
  Command.withDescription(
    "Read all parts of a collection and compare them with its plan, records and manifest; exit code 1 if anything is " +
      "missing or was changed"
  ),
  Command.withExamples([{
    command: "effect-prefect collect verify ./table",
    description: "Whether it is complete"
  }])
)

export const collect = Command.make(
  "collect",
  Inputs.collect,
  lazyHandler(() => import("../handlers/collect.ts").then((_) => _.collect))
).pipe(
  Command.withDescription(descriptions.collect),
  Command.withExamples([
    {
      command: "effect-prefect collect --flow-run ID --archive ./archive --output ./table",
      description: "All results of a flow run as Parquet"
    },
    {
      command: "effect-prefect collect --flow nightly --database postgresql://reader@db/prefect_server " +
        "--mount /srv/prefect/results=./results --output ./table --format jsonl --compression zstd",
      description: "All runs of a flow as JSON Lines"
    },
    {
      command: "effect-prefect collect --flow nightly --database postgresql://reader@db/prefect_server " +
        "--mount s3://prefect-results --output /shared/table --cluster postgresql://collect@db/collect",
      description: "By all workers of a cluster"
    }
  ]),
  Command.withSubcommands([worker, status, verify])
)
