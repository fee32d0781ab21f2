/** Serves the API over HTTP, with its OpenAPI document and traces. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Otlp from "effect/observability/Otlp"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import { createServer } from "node:http"
import { Api } from "./Api.ts"
import { PrefectHandlers, SystemHandlers } from "./Handlers.ts"
import { PageLive } from "./Page.ts"

export const Routes = HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }).pipe(
  Layer.provide([PrefectHandlers, SystemHandlers])
)

/** Traces, metrics and logs are exported as the `OTEL_*` variables specify, or not at all. */
export const Telemetry = Otlp.layerFromConfig({ resource: { serviceName: "prefect-results" } }).pipe(
  Layer.provide(OtlpSerialization.layerJson),
  Layer.provide(FetchHttpClient.layer)
)

const address = Config.all({
  host: Config.String("HOST").pipe(Config.withDefault("127.0.0.1")),
  port: Config.Int("PORT").pipe(Config.withDefault(3000))
})

/** Pending requests may complete before the process ends. */
const Listen = Layer.unwrap(
  Effect.map(
    address,
    ({ host, port }) => NodeHttpServer.layer(createServer, { host, port, gracefulShutdownTimeout: "10 seconds" })
  )
)

export const HttpLive = HttpRouter.serve(Layer.merge(Routes, PageLive)).pipe(Layer.provide(Listen))
