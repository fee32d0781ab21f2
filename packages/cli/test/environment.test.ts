/**
 * Each variable that the sources read changes what the command does, and an empty one is as one that is not set. The
 * names are found in the sources: a new one without a case fails here, as does one that is ignored.
 */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll } from "vitest"
import { archives, run } from "./support.ts"

const folder = mkdtempSync(join(tmpdir(), "environment-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const packages = fileURLToPath(new URL("../..", import.meta.url))

const prefixes = "EFFECT_PREFECT|PREFECT|AWS|GOOGLE|AZURE|XDG|SSL|HTTP|HTTPS|NO|ALL"
const patterns = [
  /env\??\.?\["(\w+)"\]/g,
  /process\.env\.(\w+)/g,
  /Config\.\w+\("(\w+)"\)/g,
  new RegExp(`"((?:${prefixes})__?[A-Z][A-Z0-9_]*|PG[A-Z][A-Z_]+)"`, "g")
]
const variablesOf = (text: string): ReadonlyArray<string> => {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "")
  return [
    ...patterns.flatMap((pattern) => [...code.matchAll(pattern)].map(([, name]) => name!)),
    ...[...code.matchAll(/const \{([^}]*)\} = process\.env/g)].flatMap(([, names]) =>
      names!.split(/\W+/).filter(Boolean)
    )
  ]
}
const found = new Set(
  ["api", "cli", "collect", "results", "server", "ui-server"].flatMap((name) =>
    readdirSync(join(packages, name, "src"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .flatMap((file) => variablesOf(readFileSync(join(packages, name, "src", file), "utf8")))
  )
)

interface Case {
  readonly args: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  /** Values, each of which is heard. */
  readonly values: ReadonlyArray<string>
}
/** A test of the file shows it, from the folder of the packages. */
type Cases = Readonly<Record<string, Case | { readonly file: string } | { readonly why: string }>>

const archive = archives["prefect-1"]
const list = ["flow", "list"]
const home = join(folder, "prefect")
mkdirSync(home)
const profiles = join(home, "profiles.toml")
writeFileSync(profiles, `active = "one"\n[profiles.one]\nPREFECT_API_URL = "ftp://one"\n[profiles.two]\n`)
const own = join(folder, "config")
mkdirSync(join(own, "effect-prefect"), { recursive: true })
writeFileSync(
  join(own, "effect-prefect", "config.toml"),
  `[profiles.one]\narchive = ${JSON.stringify(archive)}\n[profiles.two]\napi = "ftp://two"\n`
)
const missing = "/none/of/this/name"
const database = [...list, "--database", "postgresql://nobody@127.0.0.1:1/none"]
const bare = [...list, "--database", "postgresql:///none?host=/none/of/this/name"]
const prefect1 = { PREFECT__CLOUD__API: "ftp://cloud" }

const cases: Cases = {
  EFFECT_PREFECT_ARCHIVE: { args: list, values: [archive, missing] },
  EFFECT_PREFECT_API: { args: list, values: ["ftp://api"] },
  EFFECT_PREFECT_DATABASE: { args: list, values: ["ftp://database"] },
  EFFECT_PREFECT_PREFECT3: { args: list, values: ["ftp://prefect3"] },
  EFFECT_PREFECT_PROFILE: { args: list, env: { XDG_CONFIG_HOME: own }, values: ["one", "two", "three"] },
  XDG_CONFIG_HOME: { args: ["profile", "list"], values: [own, missing] },
  EFFECT_PREFECT_MOUNT: { args: ["doctor", "--archive", missing], values: ["/w=/tmp", "/w=/none", "junk"] },
  EFFECT_PREFECT_CLUSTER: { args: ["collect", "status"], values: ["ftp://cluster"] },
  EFFECT_PREFECT_SERVE_API_KEY: { file: "cli/test/serve.test.ts" },
  EFFECT_PREFECT_COMPLETE_TIMEOUT: { file: "cli/test/completions.test.ts" },
  PREFECT_API_URL: { args: list, values: ["ftp://three"] },
  PREFECT_PROFILE: { args: list, env: { PREFECT_HOME: home }, values: ["two", "three"] },
  PREFECT_HOME: { args: list, values: [home, missing] },
  PREFECT_PROFILES_PATH: { args: list, values: [profiles, missing, "/dev/zero"] },
  PREFECT_API_KEY: {
    args: [...list, "--prefect3", "http://127.0.0.1:1"],
    env: { PREFECT_CLIENT_MAX_RETRIES: "0" },
    values: ["a\nb"]
  },
  PREFECT_API_AUTH_STRING: { file: "api/test/prefect3Config.test.ts" },
  PREFECT_API_REQUEST_TIMEOUT: { args: [...list, "--prefect3", "http://"], values: ["soon", "-1", "0x10"] },
  PREFECT_CLIENT_MAX_RETRIES: { args: [...list, "--prefect3", "http://"], values: ["many", "-1", "0x10"] },
  PREFECT_CLIENT_CUSTOM_HEADERS: { args: [...list, "--prefect3", "http://"], values: ["none", "[]"] },
  PREFECT_API_SSL_CERT_FILE: { args: [...list, "--prefect3", "http://"], values: [missing, "/dev/null"] },
  PREFECT_API_TLS_INSECURE_SKIP_VERIFY: { args: [...list, "--prefect3", "http://"], values: ["perhaps"] },
  SSL_CERT_FILE: { args: [...list, "--api", "http://"], values: [missing, "/dev/null"] },
  PREFECT__CLOUD__API: { args: list, values: ["ftp://cloud"] },
  PREFECT__CLOUD__API_KEY: { file: "api/test/Prefect1Config.test.ts" },
  PREFECT__CLOUD__TENANT_ID: { file: "api/test/Prefect1Config.test.ts" },
  PREFECT__USER_CONFIG_PATH: { args: list, env: prefect1, values: [missing, "/dev/zero"] },
  PREFECT__BACKEND_CONFIG_PATH: { args: list, env: prefect1, values: [missing, "/dev/zero"] },
  PGSSLMODE: { args: database, values: ["bogus"] },
  PGSSLROOTCERT: { args: database, values: [missing] },
  PGSSLCERT: { args: database, values: [missing] },
  PGSSLKEY: { args: database, values: [missing] },
  PGPASSFILE: { args: database, values: [missing, "/dev/null"] },
  PGPASSWORD: { file: "api/test/PostgresApi.test.ts" },
  PGCONNECT_TIMEOUT: { args: database, values: ["soon"] },
  PGPORT: { args: bare, env: { USER: "u" }, values: ["port"] },
  PGUSER: { args: bare, values: ["u"] },
  USER: { why: "the name of the user, which a system sets" },
  USERNAME: { why: "the name of the user, which a system sets" },
  PGHOST: { args: [...list, "--database", "postgresql:///none"], env: { USER: "u", PGPORT: "1" }, values: [missing] },
  PGDATABASE: { why: "a name that the server alone can judge" },
  PGAPPNAME: { why: "a name that the server alone shows" },
  HTTP_PROXY: { file: "api/test/network.test.ts" },
  HTTPS_PROXY: { file: "api/test/network.test.ts" },
  ALL_PROXY: { file: "api/test/network.test.ts" },
  NO_PROXY: { file: "api/test/network.test.ts" },
  AWS_CA_BUNDLE: { file: "results/test/network.test.ts" },
  AWS_CONFIG_FILE: { file: "api/test/programs.test.ts" },
  AWS_SHARED_CREDENTIALS_FILE: { why: "checked by the same call as AWS_CONFIG_FILE" },
  AWS_WEB_IDENTITY_TOKEN_FILE: { why: "checked by the same call as AWS_CONFIG_FILE" },
  AWS_REGION: { file: "cli/test/collect.test.ts" },
  GOOGLE_APPLICATION_CREDENTIALS: { why: "checked as AWS_CONFIG_FILE is" },
  AZURE_CLIENT_CERTIFICATE_PATH: { why: "checked as AWS_CONFIG_FILE is" },
  AZURE_FEDERATED_TOKEN_FILE: { why: "checked as AWS_CONFIG_FILE is" },
  AZURE_STORAGE_CONNECTION_STRING: { file: "results/test/AzureStorage.test.ts" },
  AZURE_STORAGE_ACCOUNT: { why: "an account of Azure alone can answer" },
  TZ: { args: ["flow-run", "list", "--archive", archive, "--limit", "1"], values: ["Asia/Tokyo"] },
  XDG_CACHE_HOME: { file: "cli/test/support.ts" },
  NO_COLOR: { file: "cli/test/colors.test.ts" },
  FORCE_COLOR: { file: "cli/test/colors.test.ts" },
  COLORTERM: { file: "cli/test/colors.test.ts" },
  TERM: { file: "cli/test/colors.test.ts" },
  APPDATA: { why: "of Windows alone" },
  LOCALAPPDATA: { why: "of Windows alone" },
  EFFECT_PREFECT_COLLECT_CHILD: { why: "the command's own, of its child processes" }
}

const seen = async (given: Case, env: Record<string, string>): Promise<string> => {
  const { code, stderr, stdout } = await run(given.args, { ...given.env, ...env })
  return [code, stderr, stdout].join("\n").replaceAll(/\d+ ms/g, "")
}

describe("the environment", () => {
  it("has a case of each variable that the sources read, and none of another", () => {
    assert.deepStrictEqual([...found].filter((name) => !(name in cases)).sort(), [])
    assert.deepStrictEqual(Object.keys(cases).filter((name) => !found.has(name)), [])
    for (const [name, given] of Object.entries(cases)) {
      if (!("file" in given)) continue
      const file = join(packages, given.file)
      assert.isTrue(existsSync(file) && readFileSync(file, "utf8").includes(name), `${given.file} has no ${name}`)
    }
  })

  it.each(Object.entries(cases).flatMap(([name, given]) => "args" in given ? [[name, given] as const] : []))(
    "%s is heard, unless it is empty",
    async (name, given) => {
      const before = await seen(given, {})
      assert.strictEqual(await seen(given, { [name]: "" }), before)
      for (const value of given.values) {
        assert.notStrictEqual(await seen(given, { [name]: value }), before, `${JSON.stringify(value)} changes nothing`)
      }
    }
  )
})
