/** Every output with options takes them from the configuration too, and shows no secret of them. */
import * as AzureOutput from "@effect-prefect/collect/AzureOutput"
import type { CollectOutput } from "@effect-prefect/collect/CollectOutput"
import * as GCSOutput from "@effect-prefect/collect/GCSOutput"
import * as PostgresOutput from "@effect-prefect/collect/PostgresOutput"
import * as S3Output from "@effect-prefect/collect/S3Output"
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

const environment = {
  NAME: "tables",
  URL: "http://user:secret-word@127.0.0.1:1/api",
  DATABASE_URL: "postgresql://user:secret-word@127.0.0.1:1/warehouse"
}

type Built = Layer.Layer<CollectOutput, unknown>

interface Row {
  /** From the variables of the environment above. */
  readonly config: Built
  /** The same in code, with each kind of address. */
  readonly code: ReadonlyArray<Built>
}

const name = Config.String("NAME")
const url = Config.Redacted("URL")
const database = Config.Redacted("DATABASE_URL")
const addresses = (text: string) => [text, new URL(text), Redacted.make(text)]

const rows: Readonly<Record<string, Row>> = {
  AzureOutput: {
    config: AzureOutput.layerConfig({ container: name, accountUrl: url }),
    code: addresses(environment.URL).map((accountUrl) => AzureOutput.layer({ container: "tables", accountUrl }))
  },
  GCSOutput: {
    config: GCSOutput.layerConfig({ bucket: name, endpoint: url }),
    code: addresses(environment.URL).map((endpoint) => GCSOutput.layer({ bucket: "tables", endpoint }))
  },
  PostgresOutput: {
    config: PostgresOutput.layerConfig({ table: name, url: database }),
    code: addresses(environment.DATABASE_URL).map((url) => PostgresOutput.layer({ table: "tables", url }))
  },
  S3Output: {
    config: S3Output.layerConfig({ bucket: name, endpoint: url }),
    code: addresses(environment.URL).map((endpoint) => S3Output.layer({ bucket: "tables", endpoint }))
  }
}

const built = (layer: Built, variables: Record<string, string>) =>
  Effect.exit(Effect.scoped(Layer.build(layer))).pipe(
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: variables })))
  )

const tagOf = (exit: Exit.Exit<unknown, unknown>): string | undefined =>
  Exit.isSuccess(exit) ? undefined : (Cause.squash(exit.cause) as { readonly _tag: string })._tag

describe("configuration", () => {
  for (const [module, { code, config }] of Object.entries(rows)) {
    it.live(`${module}: from the environment as in code`, () =>
      Effect.gen(function*() {
        for (const layer of [config, ...code]) {
          const exit = yield* built(layer, environment)
          assert.isUndefined(tagOf(exit))
          assert.notInclude(String(exit), "secret-word")
        }
      }))

    it.live(`${module}: a variable that is missing is named`, () =>
      Effect.map(built(config, {}), (exit) => {
        assert.strictEqual(tagOf(exit), "ConfigError")
        assert.include(String(exit), "NAME")
      }))
  }

  it("is there for every output with options", () => {
    const folder = join(import.meta.dirname, "../src")
    const withOptions = readdirSync(folder)
      .filter((file) => file.endsWith("Output.ts"))
      .filter((file) => /export const layer = \(options: Options/.test(readFileSync(join(folder, file), "utf8")))
      .map((file) => file.replace(".ts", ""))
    assert.deepStrictEqual(withOptions.toSorted(), Object.keys(rows).toSorted())
  })
})

describe("an address or a region that cannot be used", () => {
  const wrong: Readonly<Record<string, Built>> = {
    ...Object.fromEntries(
      ["nonsense", "http://[", "http://secret-word host", "file:///secret-word", "http://127.0.0.1:99999"].map((
        text
      ) => [
        `AzureOutput: ${text}`,
        AzureOutput.layer({ container: "tables", accountUrl: text })
      ])
    ),
    "S3Output: no region": S3Output.layer({ bucket: "tables", endpoint: "http://127.0.0.1:1", region: "" })
  }
  for (const [name, layer] of Object.entries(wrong)) {
    it.live(`is a CollectError: ${name}`, () =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(Effect.scoped(Layer.build(layer)))
        assert.strictEqual(tagOf(exit), "CollectError")
        assert.notInclude(String(exit), "secret-word")
      }))
  }
})
