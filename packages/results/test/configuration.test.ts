/** Every backend and storage that has options takes them from the configuration too, and shows no secret of them. */
import * as ArchiveApi from "@effect-prefect/api/ArchiveApi"
import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import * as PostgresApi from "@effect-prefect/api/PostgresApi"
import * as Prefect3Api from "@effect-prefect/api/Prefect3Api"
import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as AzureStorage from "../src/AzureStorage.ts"
import * as GCSStorage from "../src/GCSStorage.ts"
import * as LocalStorage from "../src/LocalStorage.ts"
import type * as ResultStorage from "../src/ResultStorage.ts"
import * as S3Storage from "../src/S3Storage.ts"

type Built = Layer.Layer<PrefectApi, unknown> | Layer.Layer<ResultStorage.ResultStorage, unknown>

interface Row {
  /** From the variables of the environment below. */
  readonly config: Built
  /** The same in code, with each kind of address. */
  readonly code: ReadonlyArray<Built>
  /** What may go wrong when it is built, because nothing is there. */
  readonly fails?: string
}

const environment = {
  ARCHIVE: join(import.meta.dirname, "../../../fixtures/prefect-1"),
  URL: "http://user:secret-word@127.0.0.1:1/api",
  DATABASE_URL: "postgresql://user:secret-word@127.0.0.1:1/prefect",
  KEY: "secret-word",
  ACCOUNT: "https://account.blob.core.windows.net?sig=secret-word"
}

const url = environment.URL
const secret = Config.Redacted("KEY")
const names = Config.succeed(["results"])
const connectTimeout = "1 millis" as const

const rows: Readonly<Record<string, Row>> = {
  ArchiveApi: {
    config: ArchiveApi.layerConfig({ directory: Config.String("ARCHIVE") }),
    code: [ArchiveApi.layer(environment.ARCHIVE)]
  },
  GraphQLApi: {
    config: GraphQLApi.layerConfig({ url: Config.Redacted("URL"), apiKey: secret }),
    code: [url, new URL(url), Redacted.make(url)].map((url) => GraphQLApi.layer({ url }))
  },
  Prefect3Api: {
    config: Prefect3Api.layerConfig({ url: Config.Redacted("URL"), apiKey: secret }),
    code: [url, new URL(url), Redacted.make(url)].map((url) => Prefect3Api.layer({ url }))
  },
  PostgresApi: {
    config: PostgresApi.layerConfig({ url: Config.Redacted("DATABASE_URL"), password: secret }),
    code: [environment.DATABASE_URL, new URL(environment.DATABASE_URL), Redacted.make(environment.DATABASE_URL)].map((
      url
    ) => PostgresApi.layer({ url, connectTimeout })),
    fails: "PrefectApiError"
  },
  LocalStorage: {
    config: LocalStorage.layerConfig({ roots: Config.map(Config.String("ARCHIVE"), (root) => [root]) }),
    code: [LocalStorage.layer({ roots: [environment.ARCHIVE] })]
  },
  S3Storage: {
    config: S3Storage.layerConfig({
      buckets: names,
      endpoint: Config.Redacted("URL"),
      credentials: Config.map(secret, (secretAccessKey) => ({ accessKeyId: "key", secretAccessKey }))
    }),
    code: [url, new URL(url), Redacted.make(url)].map((endpoint) => S3Storage.layer({ buckets: ["results"], endpoint }))
  },
  GCSStorage: {
    config: GCSStorage.layerConfig({ buckets: names, endpoint: Config.Redacted("URL") }),
    code: [url, new URL(url), Redacted.make(url)].map((endpoint) =>
      GCSStorage.layer({ buckets: ["results"], endpoint })
    )
  },
  AzureStorage: {
    config: AzureStorage.layerConfig({ containers: names, accountUrl: Config.Redacted("ACCOUNT"), sasToken: secret }),
    code: [environment.ACCOUNT, new URL(environment.ACCOUNT), Redacted.make(environment.ACCOUNT)].map((accountUrl) =>
      AzureStorage.layer({ containers: ["results"], accountUrl })
    )
  }
}

const built = (layer: Built, variables: Record<string, string>) =>
  Effect.exit(Effect.scoped(Effect.asVoid(Layer.build(layer as Layer.Layer<unknown, unknown>)))).pipe(
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: variables })))
  )

const tagOf = (exit: Exit.Exit<unknown, unknown>): string | undefined =>
  Exit.isSuccess(exit) ? undefined : (Cause.squash(exit.cause) as { readonly _tag: string })._tag

describe("configuration", () => {
  for (const [name, { code, config, fails }] of Object.entries(rows)) {
    it.live(`${name}: from the environment as in code`, () =>
      Effect.gen(function*() {
        for (const layer of [config, ...code]) {
          const exit = yield* built(layer, environment)
          assert.strictEqual(tagOf(exit), fails)
          assert.notInclude(String(exit), "secret-word")
        }
      }))

    if (name === "LocalStorage" || name === "ArchiveApi") {
      it.live(`${name}: a variable that is missing is named`, () =>
        Effect.map(built(config, {}), (exit) => {
          assert.strictEqual(tagOf(exit), "ConfigError")
          assert.include(String(exit), "ARCHIVE")
        }))
    }
  }

  it("is there for every module of a layer with options", () => {
    const folders = [join(import.meta.dirname, "../src"), join(import.meta.dirname, "../../api/src")]
    const withOptions = folders.flatMap((folder) =>
      readdirSync(folder)
        .filter((file) => /(?:Api|Storage)\.ts$/.test(file))
        .filter((file) =>
          /export const layer = \(\s*(?:options: Options|directory)/.test(readFileSync(join(folder, file), "utf8"))
        )
        .map((file) => file.replace(".ts", ""))
    )
    assert.deepStrictEqual(withOptions.toSorted(), Object.keys(rows).toSorted())
  })
})
