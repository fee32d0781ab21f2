import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import * as Prefect1Config from "@effect-prefect/api/Prefect1Config"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as Faults from "./support/faultServer.ts"

interface Given {
  readonly env?: Record<string, string>
  /** By their path below the home directory. */
  readonly files?: Record<string, string>
}

const home = (files: Record<string, string>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const directory = await mkdtemp(join(tmpdir(), "effect-prefect-home-"))
      for (const [path, text] of Object.entries(files)) {
        await mkdir(dirname(join(directory, path)), { recursive: true })
        await writeFile(join(directory, path), text)
      }
      return directory
    }),
    (directory) => Effect.promise(() => rm(directory, { recursive: true, force: true }))
  )

const withEnv = (env: Record<string, string>) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(env))

const load = ({ env = {}, files = {} }: Given) =>
  Effect.flatMap(home(files), (directory) => Prefect1Config.load.pipe(withEnv({ HOME: directory, ...env })))

const shown = (given: Given) =>
  Effect.map(load(given), ({ apiKey, backend, tenantId, url }) => ({
    backend,
    url,
    apiKey: apiKey === undefined ? undefined : Redacted.value(apiKey),
    tenantId
  }))

const tenant = "f0a90902-15a1-5fa8-914b-4624b268aa51"
const other = "11111111-15a1-5fa8-914b-4624b268aa51"

const auth = `
# This file is auto-generated
["api.prefect.io"]
api_key = "cloud-key"
tenant_id = "${tenant}"

["prefect.example-8443"]
api_key = "example-key"
tenant_id = "${other}"
`

const nothing = { apiKey: undefined, tenantId: undefined }
const server = { ...nothing, backend: "server", url: "http://localhost:4200" }
const cloud = { ...nothing, backend: "cloud", url: "https://api.prefect.io" }

const cases: Record<string, readonly [Given, object]> = {
  "nothing at all is a local server": [{}, server],
  "the backend": [{ env: { PREFECT__BACKEND: "cloud" } }, cloud],
  "a server's endpoint, without the backend": [
    { env: { PREFECT__SERVER__ENDPOINT: "http://prefect:4200" } },
    { ...server, url: "http://prefect:4200" }
  ],
  "a server's endpoint, with Cloud for the backend": [
    { env: { PREFECT__SERVER__ENDPOINT: "http://prefect:4200", PREFECT__BACKEND: "cloud" } },
    cloud
  ],
  "Cloud's endpoint": [
    { env: { PREFECT__CLOUD__ENDPOINT: "https://cloud.example" } },
    { ...cloud, url: "https://cloud.example" }
  ],
  "the API before all endpoints": [
    {
      env: {
        PREFECT__CLOUD__API: "https://prefect.example",
        PREFECT__SERVER__ENDPOINT: "http://prefect:4200",
        PREFECT__BACKEND: "server"
      }
    },
    { ...server, url: "https://prefect.example" }
  ],
  "a key and a tenant": [
    { env: { PREFECT__CLOUD__API_KEY: "env-key", PREFECT__CLOUD__TENANT_ID: tenant } },
    { ...cloud, apiKey: "env-key", tenantId: tenant }
  ],
  "config.toml's host and port": [
    { files: { ".prefect/config.toml": "backend = \"server\"\n[server]\nhost = \"http://10.0.0.7\"\nport = 4300\n" } },
    { ...server, url: "http://10.0.0.7:4300" }
  ],
  "config.toml's key": [
    { files: { ".prefect/config.toml": "[cloud]\napi = \"http://a.example\"\napi_key = \"file-key\"\n" } },
    { ...cloud, url: "http://a.example", apiKey: "file-key" }
  ],
  "the environment before config.toml": [
    {
      env: { PREFECT__CLOUD__API: "http://b.example", PREFECT__CLOUD__API_KEY: "env-key" },
      files: { ".prefect/config.toml": "[cloud]\napi = \"http://a.example\"\napi_key = \"file-key\"\n" }
    },
    { ...cloud, url: "http://b.example", apiKey: "env-key" }
  ],
  "an empty variable is none": [
    {
      env: { PREFECT__CLOUD__API_KEY: "" },
      files: { ".prefect/config.toml": "[cloud]\napi = \"http://a.example\"\napi_key = \"file-key\"\n" }
    },
    { ...cloud, url: "http://a.example", apiKey: "file-key" }
  ],
  "backend.toml before config.toml": [
    { files: { ".prefect/config.toml": "backend = \"cloud\"", ".prefect/backend.toml": "backend = \"server\"" } },
    server
  ],
  "auth.toml for Cloud": [
    { files: { ".prefect/auth.toml": auth } },
    { ...cloud, apiKey: "cloud-key", tenantId: tenant }
  ],
  "auth.toml for a host and port": [
    { env: { PREFECT__CLOUD__API: "https://Prefect.example:8443/graphql" }, files: { ".prefect/auth.toml": auth } },
    { ...cloud, url: "https://Prefect.example:8443/graphql", apiKey: "example-key", tenantId: other }
  ],
  "no key of another host": [
    { env: { PREFECT__BACKEND: "server" }, files: { ".prefect/auth.toml": auth } },
    server
  ],
  "a configured key before auth.toml, and its tenant": [
    { env: { PREFECT__CLOUD__API_KEY: "env-key", PREFECT__BACKEND: "cloud" }, files: { ".prefect/auth.toml": auth } },
    { ...cloud, apiKey: "env-key", tenantId: tenant }
  ],
  "auth.toml without tables": [
    { files: { ".prefect/auth.toml": `api_key = "any-key"\ntenant_id = "${tenant}"` } },
    { ...cloud, apiKey: "any-key", tenantId: tenant }
  ],
  "another home_dir": [
    { env: { PREFECT__HOME_DIR: "~/elsewhere/" }, files: { "elsewhere/auth.toml": auth } },
    { ...cloud, apiKey: "cloud-key", tenantId: tenant }
  ],
  "another user config": [
    {
      env: { PREFECT__USER_CONFIG_PATH: "$PLACE/mine.toml", PLACE: "~/conf" },
      files: {
        "conf/mine.toml": "[cloud]\napi = \"http://mine.example\"",
        ".prefect/config.toml": "[cloud]\napi = \"http://a.example\""
      }
    },
    { ...cloud, url: "http://mine.example" }
  ],
  "variables in values": [
    {
      env: { WHERE: "http://${HOST_NAME}:4200", HOST_NAME: "deep", SECRET: "from-env" },
      files: { ".prefect/config.toml": "[cloud]\napi = \"$WHERE\"\napi_key = \"${SECRET}\"\n" }
    },
    { ...cloud, url: "http://deep:4200", apiKey: "from-env" }
  ],
  "references to other settings": [
    {
      files: {
        ".prefect/config.toml":
          "[my]\nhost = \"h.example\"\nurl = \"https://${my.host}:${my.port}\"\nport = 99\n[cloud]\napi = \"${my.url}\"\n"
      }
    },
    { ...cloud, url: "https://h.example:99" }
  ],
  "settings that Prefect has and this does not": [
    {
      files: {
        ".prefect/config.toml":
          "debug = true\nwhen = 2020-01-01\nbig = 99999999999\n[logging]\nlevel = \"INFO\"\nlist = [1, 2]\n[context.secrets]\nx = \"y\"\n"
      }
    },
    server
  ]
}

describe("Prefect1Config", () => {
  for (const [name, [given, expected]] of Object.entries(cases)) {
    it.effect(name, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* shown(given), expected as never)
      }))
  }

  const broken: Record<string, readonly [Given, string]> = {
    "a URL that is none": [{ env: { PREFECT__CLOUD__API: "canary" } }, "PREFECT__CLOUD__API"],
    "a URL of another protocol": [{ env: { PREFECT__CLOUD__API: "ftp://canary" } }, "PREFECT__CLOUD__API"],
    "a backend that is none": [{ env: { PREFECT__BACKEND: "canary" } }, "PREFECT__BACKEND"],
    "references in a circle": [
      { files: { ".prefect/config.toml": "[cloud]\napi = \"${cloud.endpoint}\"\nendpoint = \"${cloud.api}\"" } },
      "config.toml"
    ],
    "a file that is not TOML": [{ files: { ".prefect/auth.toml": "api_key = canary\n" } }, "auth.toml"],
    "a file that is far too long": [
      { files: { ".prefect/config.toml": `# canary ${"x".repeat(2_000_000)}` } },
      "config.toml"
    ]
  }
  for (const [name, [given, source]] of Object.entries(broken)) {
    it.effect(`says where ${name} is, and not what it is`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(load(given))
        assert.strictEqual(error._tag, "PrefectConfigError")
        assert.include(error.source, source)
        assert.notInclude(JSON.stringify(error) + error.message + String(error), "canary")
      }))
  }

  it.effect("says that a file cannot be read", () =>
    Effect.gen(function*() {
      const directory = yield* home({ ".prefect/config.toml": "", ".prefect/auth.toml": "" })
      if (process.getuid?.() === 0) {
        // Root reads everything; a directory in the way of a file is passed over, as Prefect does.
        yield* Effect.promise(() => rm(join(directory, ".prefect/config.toml")))
        yield* Effect.promise(() => mkdir(join(directory, ".prefect/config.toml")))
        assert.strictEqual((yield* Prefect1Config.load.pipe(withEnv({ HOME: directory }))).url, server.url)
      } else {
        yield* Effect.promise(() => chmod(join(directory, ".prefect/config.toml"), 0))
        const error = yield* Effect.flip(Prefect1Config.load.pipe(withEnv({ HOME: directory })))
        assert.include(error.message, "EACCES")
      }
    }))

  it.live("is what GraphQLApi.layerPrefectConfig reads", () =>
    Effect.gen(function*() {
      const node = yield* Faults.make()
      node.plan = () => Faults.json({ data: { task_run: [] } })
      const directory = yield* home({
        ".prefect/auth.toml": `["127.0.0.1-${new URL(node.url).port}"]\napi_key = "the-key"\ntenant_id = "${tenant}"`
      })
      const error = yield* Effect.flatMap(PrefectApi.PrefectApi, (api) => api.taskRun(tenant)).pipe(
        Effect.provide(GraphQLApi.layerPrefectConfig),
        withEnv({ HOME: directory, PREFECT__BACKEND: "server", PREFECT__SERVER__ENDPOINT: node.url }),
        Effect.flip
      )
      assert.strictEqual(error._tag === "PrefectApiError" ? error.reason._tag : error.message, "TaskRunNotFound")
      assert.strictEqual(node.received[0]?.headers["authorization"], "Bearer the-key")
      assert.strictEqual(node.received[0]?.headers["x-prefect-tenant-id"], tenant)
    }))
})
