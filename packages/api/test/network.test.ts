/** Proxies, certificate authorities and echoes: what stands between a client and its backend. */
import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import * as Network from "@effect-prefect/api/Network"
import * as Prefect3Api from "@effect-prefect/api/Prefect3Api"
import * as Prefect3Config from "@effect-prefect/api/Prefect3Config"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { execFileSync, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type IncomingMessage, type RequestListener } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { authority, listening, proxy, secureServer, withEnvironment } from "./support/network.ts"
import { observe } from "./support/observed.ts"

const id = "00000000-0000-4000-8000-000000000001"
const row = { id, name: "x", map_index: -1, serialized_state: { type: "Success" } }
const answersRow: RequestListener = (request, response) => {
  request.resume()
  response.writeHead(200, { "content-type": "application/json" })
  response.end(JSON.stringify({ data: { task_run: [row] } }))
}

const lookup = (options: GraphQLApi.Options) =>
  Effect.flatMap(GraphQLApi.make({ retries: 0, requestTimeout: "5 seconds", ...options }), (api) => api.taskRun(id))

describe("a proxy of the environment", () => {
  for (const name of ["HTTP_PROXY", "http_proxy", "ALL_PROXY"]) {
    it.live(`is used: ${name}`, () =>
      Effect.gen(function*() {
        const { through, url } = yield* proxy(answersRow)
        yield* withEnvironment({ [name]: url })
        const view = yield* lookup({ url: "http://prefect.corp.invalid:4200" })
        assert.strictEqual(view.taskRunId, id)
        assert.deepStrictEqual(through, ["POST http://prefect.corp.invalid:4200/"])
      }))
  }

  it.live("is used for https too: ALL_PROXY, beside one for http alone", () =>
    Effect.gen(function*() {
      const { through, url: proxyUrl } = yield* proxy(answersRow)
      const plain = yield* proxy(answersRow)
      const url = yield* secureServer(answersRow)
      yield* withEnvironment({ ALL_PROXY: proxyUrl, HTTP_PROXY: plain.url })
      assert.strictEqual((yield* lookup({ url, tls: { ca: authority.ca } })).taskRunId, id)
      assert.deepStrictEqual(through, [`CONNECT localhost:${new URL(url).port}`])
      assert.deepStrictEqual(plain.through, [])
    }))

  it.live("is not used for what NO_PROXY names", () =>
    Effect.gen(function*() {
      const { through, url } = yield* proxy(answersRow)
      const port = yield* listening(createServer(answersRow))
      yield* withEnvironment({ HTTP_PROXY: url, NO_PROXY: "other.example,127.0.0.1" })
      yield* lookup({ url: `http://127.0.0.1:${port}` })
      assert.deepStrictEqual(through, [])
    }))

  it.live("tunnels https, whose certificate is checked all the same", () =>
    Effect.gen(function*() {
      const { through, url: proxyUrl } = yield* proxy(answersRow)
      const url = yield* secureServer(answersRow)
      yield* withEnvironment({ HTTPS_PROXY: proxyUrl })
      const refused = yield* Effect.flip(lookup({ url }))
      assert.match(refused.message, /certificate of .* is not trusted .*NODE_EXTRA_CA_CERTS/)
      const view = yield* lookup({ url, tls: { ca: authority.ca } })
      assert.strictEqual(view.taskRunId, id)
      assert.isTrue(through.every((line) => line === `CONNECT localhost:${new URL(url).port}`))
    }))

  it.live("that asks for credentials is told apart, and gets those of its URL", () =>
    Effect.gen(function*() {
      const secret = "canaryUser:canaryPassword"
      const { port, url } = yield* proxy(answersRow, { password: secret })
      const target = yield* secureServer(answersRow)
      for (const api of ["http://prefect.corp.invalid:4200", target]) {
        yield* Effect.scoped(Effect.gen(function*() {
          yield* withEnvironment({ HTTP_PROXY: `http://127.0.0.1:${port}`, HTTPS_PROXY: `http://127.0.0.1:${port}` })
          const error = yield* Effect.flip(lookup({ url: api, tls: { ca: authority.ca } }))
          assert.strictEqual((error as { readonly reason?: { readonly _tag: string } }).reason?._tag, "Unauthorized")
          assert.include(error.message, "proxy requires credentials")
        }))
        yield* Effect.scoped(Effect.gen(function*() {
          yield* withEnvironment({ HTTP_PROXY: url, HTTPS_PROXY: url })
          assert.strictEqual((yield* lookup({ url: api, tls: { ca: authority.ca } })).taskRunId, id)
        }))
      }
    }))

  it.live("that is no URL is an error of the configuration", () =>
    Effect.gen(function*() {
      yield* withEnvironment({ HTTPS_PROXY: "socks5://127.0.0.1:1" })
      const error = yield* Effect.flip(lookup({ url: "https://prefect.corp.invalid" }))
      assert.include(error.message, "HTTPS_PROXY")
    }))
})

describe("a private authority", () => {
  it.live("is trusted when tls names it, and every certificate when told so, with a warning", () =>
    Effect.gen(function*() {
      yield* withEnvironment({})
      const url = yield* secureServer(answersRow)
      assert.strictEqual((yield* lookup({ url, tls: { ca: [authority.ca] } })).taskRunId, id)
      const observed = yield* observe(lookup({ url, tls: { rejectUnauthorized: false } }))
      assert.strictEqual(observed.exit._tag, "Success")
      assert.match(observed.logs.join("\n"), /certificates are not verified/)
      const wrong = yield* Effect.flip(lookup({ url, tls: { ca: "no certificate" } }))
      assert.include(wrong.message, "tls.ca")
    }))

  it.live("is read from Prefect's own variables", () =>
    Effect.gen(function*() {
      const load = (env: Record<string, string>) =>
        Effect.provide(Prefect3Config.loadTls, ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
      assert.deepStrictEqual(yield* load({ PREFECT_API_SSL_CERT_FILE: authority.file, SSL_CERT_FILE: "/nowhere" }), {
        ca: authority.ca
      })
      assert.deepStrictEqual(yield* load({ SSL_CERT_FILE: authority.file }), { ca: authority.ca })
      assert.deepStrictEqual(yield* load({ PREFECT_API_TLS_INSECURE_SKIP_VERIFY: "true" }), {
        rejectUnauthorized: false
      })
      assert.isUndefined(yield* load({ PREFECT_API_TLS_INSECURE_SKIP_VERIFY: "0" }))
      const missing = yield* Effect.flip(load({ SSL_CERT_FILE: "/nowhere" }))
      assert.match(missing.message, /SSL_CERT_FILE.*cannot be read/)
    }))
})

describe("an answer that echoes the request", () => {
  const key = "canary-key-0123456789"
  const auth = "canaryuser:canary pass word"
  const proxyKey = "canary_proxy_header"
  const token = "canary-token-in-url"
  const secret = new RegExp(
    [
      key,
      "canaryuser",
      "canary pass",
      proxyKey,
      token,
      ...[key, auth, proxyKey, token, `Bearer ${key}`].flatMap((text) => [
        Buffer.from(text).toString("base64").replace(/=+$/, ""),
        encodeURIComponent(text)
      ])
    ].join("|"),
    "i"
  )
  const echoes = (request: IncomingMessage, body: string): ReadonlyArray<string> => {
    const headers = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`).join("\n")
    const sent = String(request.headers["authorization"]).split(" ")[1] ?? ""
    return [
      headers,
      `${request.url}`,
      body,
      `not allowed: ${request.headers["authorization"]}`,
      `no user ${Buffer.from(sent, "base64").toString()}`,
      Buffer.from(sent).toString("base64"),
      Buffer.from(headers).toString("base64"),
      `refused ${request.headers["x-proxy-key"]} and ${Buffer.from(proxyKey).toString("base64")}`
    ]
  }

  for (const status of [400, 401, 403, 404, 409, 422, 500, 503]) {
    it.live(`is repeated without its credentials: status ${status}`, () =>
      Effect.gen(function*() {
        yield* withEnvironment({})
        let which = 0
        let sent = 0
        const port = yield* listening(createServer((request, response) => {
          let body = ""
          request.setEncoding("utf8").on("data", (text) => body += text).on("end", () => {
            sent++
            const echo = echoes(request, body)[which]!
            if (request.url?.includes("version") === true) {
              response.writeHead(200, { "content-type": "application/json" })
              return response.end(`"3.8.0"`)
            }
            response.writeHead(status, { "content-type": "application/json", "retry-after": "0" })
            response.end(JSON.stringify({
              detail: echo,
              exception_message: echo,
              exception_detail: [{ msg: echo }],
              errors: [{ message: echo, extensions: { code: echo } }]
            }))
          })
        }))
        for (; which < 8; which++) {
          sent = 0
          const headers = { "x-proxy-key": Redacted.make(proxyKey) }
          const options = { headers, retries: 0, requestTimeout: "5 seconds" as const }
          const graphql = yield* observe(lookup({
            ...options,
            url: `http://127.0.0.1:${port}/?token=${token}`,
            apiKey: Redacted.make(key)
          }))
          assert.notMatch(graphql.text, secret)
          for (const credentials of [{ apiKey: Redacted.make(key) }, { authString: Redacted.make(auth) }]) {
            const prefect3 = yield* observe(Effect.flatMap(
              Prefect3Api.make({ ...options, ...credentials, url: `http://127.0.0.1:${port}/api` }),
              (api) => api.taskRun(id)
            ))
            assert.notMatch(prefect3.text, secret, `${which}`)
          }
          assert.isAtLeast(sent, 3)
        }
      }))
  }
})

describe("a small file", () => {
  const within = async (use: (folder: string) => Promise<void>) => {
    const folder = mkdtempSync(join(tmpdir(), "network-"))
    try {
      await use(folder)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
  const codeOf = (reading: Promise<string>) =>
    reading.then(() => "read", (error: NodeJS.ErrnoException) => error.code ?? error.name)

  it("is its text, whatever its characters are cut into", () =>
    within(async (folder) => {
      const path = join(folder, "file")
      const text = "a\u65e5\ud83d\ude00\ufeff".repeat(20_001)
      writeFileSync(path, text)
      assert.strictEqual(await Network.readText(path), text)
      const bytes = Buffer.byteLength(text)
      assert.strictEqual(await Network.readText(path, { maxBytes: bytes }), text)
      assert.strictEqual(await codeOf(Network.readText(path, { maxBytes: bytes - 1 })), "EFBIG")
    }))
  it("has no byte order mark, which editors of Windows write", () =>
    within(async (folder) => {
      const path = join(folder, "file")
      writeFileSync(path, "\ufeff{}\r\n")
      assert.strictEqual(await Network.readText(path), "{}\r\n")
    }))
  it("is no folder, and no device that never ends", () =>
    within(async (folder) => {
      assert.strictEqual(await codeOf(Network.readText(folder)), "EISDIR")
      assert.strictEqual(await codeOf(Network.readText(join(folder, "none"))), "ENOENT")
      assert.strictEqual(await codeOf(Network.readText("/dev/zero", { maxBytes: 100_000 })), "EFBIG")
      assert.strictEqual(await Network.readText("/dev/null"), "")
    }))
  it("may be a pipe, which is not waited for once that is interrupted", () =>
    within(async (folder) => {
      const path = join(folder, "pipe")
      execFileSync("mkfifo", [path])
      const writer = spawn("sh", ["-c", "printf 'key\\n' > \"$0\"", path])
      assert.strictEqual(await Network.readText(path), "key\n")
      writer.kill()
      const controller = new AbortController()
      const waiting = codeOf(Network.readText(path, { signal: controller.signal }))
      controller.abort()
      assert.notStrictEqual(await waiting, "read")
    }))
})
