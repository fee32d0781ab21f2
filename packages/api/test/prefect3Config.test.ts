import * as Prefect3Api from "@effect-prefect/api/Prefect3Api"
import * as Prefect3Config from "@effect-prefect/api/Prefect3Config"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Recorded from "./prefect3Server.ts"

const profiles = `
active = "cloud"

[profiles.local]
PREFECT_API_URL = "http://127.0.0.1:4200/api"
PREFECT_API_AUTH_STRING = "admin:pass"
PREFECT_CLIENT_MAX_RETRIES = 2

[profiles.cloud]
PREFECT_API_URL = "https://api.prefect.cloud/api/accounts/a/workspaces/w"
PREFECT_API_KEY = "pnu_profile"

[profiles.bare]
`

const withHome = <A, E>(text: string | undefined, body: (home: string) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const home = mkdtempSync(join(tmpdir(), "prefect3-"))
      if (text !== undefined) writeFileSync(join(home, "profiles.toml"), text)
      return home
    }),
    body,
    (home) => Effect.sync(() => rmSync(home, { recursive: true }))
  )

const load = (env: Record<string, string>, given?: Partial<Prefect3Api.Options>) =>
  Effect.provideService(
    Effect.map(Prefect3Config.load(given), ({ apiKey, authString, headers, retries, url }) => ({
      url: String(url),
      apiKey: apiKey && Redacted.value(apiKey),
      authString: authString && Redacted.value(authString),
      retries,
      headers: headers && Object.keys(headers)
    })),
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromEnv({ env })
  )

const cloud = "https://api.prefect.cloud/api/accounts/a/workspaces/w"

describe("as Prefect's client finds its server", () => {
  it.effect("the active profile", () =>
    withHome(profiles, (home) =>
      Effect.gen(function*() {
        const found = yield* load({ PREFECT_HOME: home })
        assert.strictEqual(found.url, cloud)
        assert.strictEqual(found.apiKey, "pnu_profile")
      })))

  it.effect("PREFECT_PROFILE names another", () =>
    withHome(profiles, (home) =>
      Effect.gen(function*() {
        const found = yield* load({ PREFECT_HOME: home, PREFECT_PROFILE: "local" })
        assert.deepStrictEqual(found, {
          url: "http://127.0.0.1:4200/api",
          apiKey: undefined,
          authString: "admin:pass",
          retries: 2,
          headers: undefined
        })
      })))

  it.effect("PREFECT_PROFILES_PATH comes before PREFECT_HOME", () =>
    withHome(profiles, (home) =>
      Effect.gen(function*() {
        const found = yield* load({ PREFECT_HOME: "/nowhere", PREFECT_PROFILES_PATH: join(home, "profiles.toml") })
        assert.strictEqual(found.url, cloud)
      })))

  it.effect("a profile file larger than any profile is not read", () =>
    withHome(profiles.padEnd(2 ** 24 + 1), (home) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(load({ PREFECT_HOME: home }))
        assert.include(String(error), "it cannot be read (EFBIG)")
      })))

  it.effect("the environment comes before the profile, setting by setting, and an empty variable is none", () =>
    withHome(profiles, (home) =>
      Effect.gen(function*() {
        const env = { PREFECT_HOME: home, PREFECT_API_KEY: "pnu_env", PREFECT_API_URL: "" }
        const found = yield* load(env)
        assert.strictEqual(found.url, cloud)
        assert.strictEqual(found.apiKey, "pnu_env")
        const other = yield* load({
          ...env,
          PREFECT_API_URL: "http://elsewhere/api",
          PREFECT_CLIENT_CUSTOM_HEADERS: "{\"x-proxy\":\"1\"}"
        })
        assert.strictEqual(other.url, "http://elsewhere/api")
        assert.deepStrictEqual(other.headers, ["x-proxy"])
      })))

  it.effect("what is given comes first, and another server does not get the profile's key", () =>
    withHome(profiles, (home) =>
      Effect.gen(function*() {
        const found = yield* load({ PREFECT_HOME: home }, { url: "http://127.0.0.1:1/api" })
        assert.strictEqual(found.url, "http://127.0.0.1:1/api")
        assert.strictEqual(found.apiKey, undefined)
        const keyOnly = yield* load({ PREFECT_HOME: "/nowhere", PREFECT_API_KEY: "k" }, { url: "http://127.0.0.1:1" })
        assert.strictEqual(keyOnly.apiKey, "k")
      })))

  it.effect("without a profiles file there is only Prefect's own profile local", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(load({ PREFECT_HOME: "/nowhere" }))
      assert.strictEqual(error._tag, "PrefectConfigError")
      assert.include(error.message, "PREFECT_API_URL")
      const found = yield* load({ PREFECT_HOME: "/nowhere", PREFECT_PROFILE: "local" })
      assert.strictEqual(found.url, "http://127.0.0.1:4200/api")
    }))

  const wrong: ReadonlyArray<readonly [string, string, Record<string, string>]> = [
    ["a profile that is not there", profiles, { PREFECT_PROFILE: "nope" }],
    ["a profile without a URL", profiles, { PREFECT_PROFILE: "bare" }],
    ["broken TOML", "PREFECT_API_KEY = hidden", {}],
    ["headers that are no JSON", profiles, { PREFECT_CLIENT_CUSTOM_HEADERS: "hidden" }],
    ["retries that are no number", profiles, { PREFECT_CLIENT_MAX_RETRIES: "hidden" }]
  ]
  for (const [what, text, env] of wrong) {
    it.effect(`${what} is a PrefectConfigError, without a value`, () =>
      withHome(text, (home) =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(load({ PREFECT_HOME: home, ...env }))
          assert.strictEqual(error._tag, "PrefectConfigError")
          assert.notInclude(error.message, "hidden")
        })))
  }

  it.effect("layerPrefectConfig asks that server", () =>
    Effect.scoped(Effect.gen(function*() {
      const server = yield* Effect.acquireRelease(
        Effect.promise(() => Recorded.start()),
        (server) => Effect.promise(() => server[Symbol.asyncDispose]())
      )
      const view = yield* Effect.flatMap(PrefectApi, (api) => api.flowRun(Recorded.runs["structure"]!)).pipe(
        Effect.provide(Prefect3Api.layerPrefectConfig()),
        Effect.provideService(
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromEnv({
            env: { PREFECT_HOME: "/nowhere", PREFECT_API_URL: server.url, PREFECT_API_AUTH_STRING: "admin:study-pass" }
          })
        )
      )
      assert.strictEqual(view.flowRunId, Recorded.runs["structure"])
      const { headers } = server.received.at(-1)!
      assert.strictEqual(headers.authorization, Recorded.exchange("auth/basic_ok").request.headers["Authorization"])
    })))
})
