import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Layer from "effect/Layer"
import { HttpLive, Telemetry } from "./Http.ts"
import { PrefectLive } from "./Prefect.ts"

HttpLive.pipe(Layer.provide(PrefectLive), Layer.provide(Telemetry), Layer.launch, NodeRuntime.runMain)
