import { UiApi } from "@effect-prefect/ui-api/Api"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { createRequire } from "node:module"
import type { About } from "../options.ts"
import { take } from "./services.ts"

const { version } = createRequire(import.meta.url)("../../../package.json") as { readonly version: string }

export const BackendHandlers = (about: About) =>
  HttpApiBuilder.group(
    UiApi,
    "backend",
    Effect.fnUntraced(function*(handlers) {
      const { api } = yield* take
      const kind = about.kind ?? "other"
      return handlers.handleAll({
        backend: () =>
          Effect.map(about.problems ?? Effect.succeed([]), (problems) => ({
            name: api.backendName,
            kind,
            version,
            can: { graph: true, timeline: true, artifacts: true, logs: true, changes: kind !== "archive" },
            mounts: about.mounts ?? [],
            problems
          }))
      })
    })
  )
