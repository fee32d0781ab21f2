/**
 * `Prefect1Config` finds the same API, key and tenant as Prefect 1.4.1's own client, given the same variables and
 * files.
 */
import * as Prefect1Config from "@effect-prefect/api/Prefect1Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { check } from "./support/check.ts"
import { prefect1, venv } from "./support/python.ts"

const probe = `
import json, prefect
from prefect.client import Client
client = Client()
print(json.dumps([prefect.config.backend, client.api_server, client.api_key or None, client._tenant_id or None]))
`

const tenant = "f0a90902-15a1-5fa8-914b-4624b268aa51"
const section = (name: string) => `["${name}"]\napi_key = "key-of-${name}"\ntenant_id = "${tenant}"\n`
const auth = ["api.prefect.io", "prefect.example-8443", "localhost-4200", "10.0.0.7"].map(section).join("\n")
const authFile = { ".prefect/auth.toml": auth }

interface Given {
  readonly env?: Record<string, string>
  readonly files?: Record<string, string>
}

/** Each names a backend or an API: without one, Prefect uses its Cloud, which no longer exists, and we do not. */
const cases: Record<string, Given> = {
  "a server": { env: { PREFECT__BACKEND: "server" } },
  "Cloud": { env: { PREFECT__BACKEND: "cloud" } },
  "a server, with auth.toml": { env: { PREFECT__BACKEND: "server" }, files: authFile },
  "Cloud, with auth.toml": { env: { PREFECT__BACKEND: "cloud" }, files: authFile },
  "a host in capitals, with a port and a path": {
    env: { PREFECT__CLOUD__API: "https://Prefect.example:8443/graphql" },
    files: authFile
  },
  "a host that auth.toml does not have": { env: { PREFECT__CLOUD__API: "https://other.example" }, files: authFile },
  "an address": { env: { PREFECT__CLOUD__API: "http://10.0.0.7" }, files: authFile },
  "a server's endpoint": { env: { PREFECT__BACKEND: "server", PREFECT__SERVER__ENDPOINT: "http://x:1" } },
  "a server's host and port": {
    env: { PREFECT__BACKEND: "server", PREFECT__SERVER__HOST: "http://y", PREFECT__SERVER__PORT: "77" }
  },
  "another backend's endpoint": { env: { PREFECT__BACKEND: "server", PREFECT__CLOUD__ENDPOINT: "http://c" } },
  "Cloud's endpoint": { env: { PREFECT__BACKEND: "cloud", PREFECT__CLOUD__ENDPOINT: "http://c" } },
  "a key of the environment": {
    env: { PREFECT__BACKEND: "cloud", PREFECT__CLOUD__API_KEY: "env-key" },
    files: authFile
  },
  "an empty key of the environment": {
    env: { PREFECT__BACKEND: "cloud", PREFECT__CLOUD__API_KEY: "" },
    files: authFile
  },
  "a tenant of the environment": { env: { PREFECT__BACKEND: "cloud", PREFECT__CLOUD__TENANT_ID: tenant } },
  "another home_dir": {
    env: { PREFECT__BACKEND: "cloud", PREFECT__HOME_DIR: "~/else" },
    files: { "else/auth.toml": auth }
  },
  "config.toml": {
    files: { ".prefect/config.toml": "backend = \"server\"\n[server]\nhost = \"http://10.0.0.7\"\nport = 4300\n" }
  },
  "config.toml and backend.toml": {
    files: { ".prefect/config.toml": "backend = \"cloud\"", ".prefect/backend.toml": "backend = \"server\"" }
  },
  "config.toml and the environment": {
    env: { PREFECT__CLOUD__API: "http://b.example" },
    files: { ".prefect/config.toml": "[cloud]\napi = \"http://a.example\"\napi_key = \"file-key\"\n" }
  },
  "another config.toml": {
    env: { PREFECT__USER_CONFIG_PATH: "$PLACE/mine.toml", PLACE: "~/conf" },
    files: { "conf/mine.toml": "[cloud]\napi = \"http://mine.example\"" }
  },
  "variables in values": {
    env: { WHERE: "http://${HOST_NAME}:4200", HOST_NAME: "deep", SECRET: "from-env" },
    files: { ".prefect/config.toml": "[cloud]\napi = \"$WHERE\"\napi_key = \"${SECRET}\"\n" }
  },
  "references to settings": {
    files: {
      ".prefect/config.toml":
        "[my]\nhost = \"h.example\"\nurl = \"https://${my.host}:${my.port}\"\nport = 99\n[cloud]\napi = \"${my.url}\"\n"
    }
  },
  "a reference in the environment": {
    env: { PREFECT__CLOUD__API: "${server.endpoint}", PREFECT__SERVER__HOST: "http://zz" }
  }
}

const { run } = await venv(prefect1)
const inherited = Object.fromEntries(
  Object.keys(process.env).filter((name) => name.startsWith("PREFECT__")).map((name) => [name, undefined])
)

for (const [name, { env = {}, files = {} }] of Object.entries(cases)) {
  await check(name, async () => {
    const home = mkdtempSync(join(tmpdir(), "effect-prefect-config-"))
    try {
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(home, path)), { recursive: true })
        writeFileSync(join(home, path), text)
      }
      const theirs = await run(["-c", probe], { env: { ...inherited, HOME: home, ...env } })
      const ours = await Effect.runPromise(
        Effect.provideService(
          Prefect1Config.load,
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromEnvRecord({ HOME: home, ...env })
        )
      )
      assert.deepEqual(
        [
          ours.backend,
          ours.url,
          ours.apiKey === undefined ? null : Redacted.value(ours.apiKey),
          ours.tenantId ?? null
        ],
        JSON.parse(theirs.stdout.trim().split("\n").at(-1) ?? "")
      )
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  })
}
