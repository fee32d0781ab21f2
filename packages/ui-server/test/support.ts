import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as MemoryApi from "@effect-prefect/api/MemoryApi"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as InlineStorage from "@effect-prefect/results/InlineStorage"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as Prefect3Storage from "@effect-prefect/results/Prefect3Storage"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import { fileURLToPath } from "node:url"
import * as UiServer from "../src/UiServer.ts"

export const archive = fileURLToPath(new URL("../../../fixtures/prefect-1", import.meta.url))
export const runId = "6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3"
export const token = "a-token-of-the-tests"

export interface Site {
  readonly get: (path: string, init?: RequestInit) => Promise<Response>
  readonly json: (path: string) => Promise<unknown>
  readonly lines: (path: string) => Promise<ReadonlyArray<Record<string, unknown>>>
  readonly close: () => Promise<void>
}

export const siteOf = (
  services: Layer.Layer<PrefectApi | ResultStorage.ResultStorage, unknown>,
  options: Partial<UiServer.Options> = {}
): Site => {
  const page = UiServer.layer({ authorize: UiServer.bearer(token), ...options })
  const { dispose, handler } = HttpRouter.toWebHandler(
    page.pipe(Layer.provide(services)) as Layer.Layer<never, never, HttpRouter.HttpRouter>,
    { disableLogger: true }
  )
  const get = (path: string, init: RequestInit = {}) =>
    handler(
      new Request(`http://127.0.0.1:4280${path}`, {
        ...init,
        headers: { host: "127.0.0.1:4280", authorization: `Bearer ${token}`, ...init.headers }
      })
    )
  const text = async (path: string) => (await get(path)).text()
  return {
    get,
    json: async (path) => JSON.parse(await text(path)) as unknown,
    lines: async (path) =>
      (await text(path)).trimEnd().split("\n").filter((line) => line !== "").map((line) =>
        JSON.parse(line) as Record<string, unknown>
      ),
    close: dispose
  }
}

/** The page over the recorded archive. */
export const archiveSite = (options?: Partial<UiServer.Options>): Site =>
  siteOf(
    Layer.merge(
      ArchiveApi.layer(archive),
      ResultStorage.layerMerge([InlineStorage.layer, LocalStorage.layerArchive(archive)])
    ),
    { about: { kind: "archive", mounts: [{ from: "/srv", to: "results" }] }, ...options }
  )

/** The page over rows in memory, with the storage of Prefect 3 over a folder. */
export const prefect3Site = (tables: MemoryApi.Tables, root: string, options?: Partial<UiServer.Options>): Site =>
  siteOf(
    Layer.provideMerge(
      Prefect3Storage.layer(ResultStorage.layerMerge([InlineStorage.layer, LocalStorage.layer({ roots: [root] })])),
      MemoryApi.layer(tables)
    ),
    options
  )

/** The page over rows in memory. */
export const memorySite = (tables: MemoryApi.Tables, options?: Partial<UiServer.Options>): Site =>
  siteOf(Layer.merge(MemoryApi.layer(tables), ResultStorage.layerMerge([InlineStorage.layer])), options)
