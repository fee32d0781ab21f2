/** The layers of production, from configuration: a Prefect 1 API, and the locations of its workers' results. */
import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import * as InlineStorage from "@effect-prefect/results/InlineStorage"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as Mount from "@effect-prefect/results/Mount"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * `RESULT_MOUNTS=/srv/prefect/results=./results,/data`: the locations that may be read, in the syntax of the command's
 * `--mount`.
 */
const mounts = Config.String("RESULT_MOUNTS").pipe(Config.withDefault(""))

export const StorageLive = Layer.unwrap(Effect.gen(function*() {
  const texts = (yield* mounts).split(",").filter((text) => text !== "")
  const allowed = yield* Effect.forEach(texts, (text) => Effect.fromResult(Mount.parse(text)))
  return ResultStorage.layerMerge([
    InlineStorage.layer,
    LocalStorage.layer({
      roots: allowed.flatMap((place) => place._tag === "Root" ? [place.root] : []),
      mounts: allowed.flatMap((place) => place._tag === "Mount" ? [place.mount] : [])
    })
  ])
}))

/** The Prefect server, from the environment variables and files of Prefect's own client. */
export const PrefectLive = Layer.merge(GraphQLApi.layerPrefectConfig, StorageLive)
