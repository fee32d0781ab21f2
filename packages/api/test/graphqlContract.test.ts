import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import { suite } from "@effect-prefect/api/testing"
import * as Server from "@effect-prefect/server/Server"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { serve } from "./support/embedded.ts"

suite("GraphQLApi over the embedded server", (tables) =>
  Layer.effect(
    PrefectApi.PrefectApi,
    Effect.flatMap(Server.Server, ({ url }) => GraphQLApi.make({ url }))
  ).pipe(Layer.provide(serve(tables))))
