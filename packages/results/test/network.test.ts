/** Object stores behind a company's proxy and certificate authority. */
import { AzureResult, GCSResult, type ResultDescriptor, S3Result } from "@effect-prefect/core/ResultDescriptor"
import * as AzureStorage from "@effect-prefect/results/AzureStorage"
import * as GCSStorage from "@effect-prefect/results/GCSStorage"
import * as S3Storage from "@effect-prefect/results/S3Storage"
import { readBytes, readReason } from "@effect-prefect/results/testing"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import { generateKeyPairSync } from "node:crypto"
import { writeFileSync } from "node:fs"
import { createServer, type RequestListener } from "node:http"
import { join } from "node:path"
import { vi } from "vitest"
import { authority, listening, proxy, secureServer, withEnvironment } from "../../api/test/support/network.ts"
import { temporaryFolder } from "./support/temporaryFolder.ts"

const body = "the result"
const answers: RequestListener = (request, response) => {
  request.resume()
  response.writeHead(200, { "content-length": body.length, etag: "\"1\"", "x-goog-generation": "1" })
  response.end(body)
}

type Tls = S3Storage.Options["tls"]

const stores = [
  {
    name: "S3",
    descriptor: new S3Result({ bucket: "data", location: "key" }),
    layer: (endpoint: string, tls?: Tls) =>
      S3Storage.layer({
        endpoint,
        region: "us-east-1",
        buckets: ["data"],
        attempts: 2,
        credentials: { accessKeyId: "id", secretAccessKey: Redacted.make("secret") },
        ...(tls === undefined ? {} : { tls })
      })
  },
  {
    name: "Google Cloud Storage",
    descriptor: new GCSResult({ bucket: "data", location: "key" }),
    layer: (endpoint: string, tls?: Tls) => GCSStorage.layer({ endpoint, buckets: ["data"], attempts: 2, tls })
  },
  {
    name: "Azure",
    descriptor: new AzureResult({ container: "data", location: "key" }),
    layer: (url: string, tls?: Tls) =>
      AzureStorage.layer({
        accountUrl: `${url}/account`,
        sasToken: Redacted.make("sv=1&sig=canary"),
        containers: ["data"],
        attempts: 2,
        tls
      })
  }
] as const

type Storage = ReturnType<(typeof stores)[number]["layer"]>

const textOf = (storage: Storage, descriptor: ResultDescriptor) =>
  Effect.provide(Effect.map(readBytes(descriptor), ({ bytes }) => new TextDecoder().decode(bytes)), storage)
const reasonOf = (storage: Storage, descriptor: ResultDescriptor) => Effect.provide(readReason(descriptor), storage)

for (const { descriptor, layer, name } of stores) {
  const read = (url: string, tls?: Tls) => textOf(layer(url, tls), descriptor)
  const reason = (url: string, tls?: Tls) => reasonOf(layer(url, tls), descriptor)

  describe(`${name} behind a network`, () => {
    for (const variable of ["HTTP_PROXY", "http_proxy", "ALL_PROXY"]) {
      it.live(`is asked through the proxy of ${variable}`, () =>
        Effect.gen(function*() {
          const { through, url } = yield* proxy(answers)
          yield* withEnvironment({ [variable]: url })
          assert.strictEqual(yield* read("http://store.corp.invalid:9000"), body)
          assert.isAbove(through.length, 0)
          assert.isTrue(through.every((line) => line.startsWith("GET http://store.corp.invalid:9000/")), through.join())
        }))
    }

    it.live("is asked directly where NO_PROXY names it", () =>
      Effect.gen(function*() {
        const { through, url } = yield* proxy(answers)
        const port = yield* listening(createServer(answers))
        yield* withEnvironment({ HTTP_PROXY: url, NO_PROXY: "other.example,127.0.0.1" })
        assert.strictEqual(yield* read(`http://127.0.0.1:${port}`), body)
        assert.deepStrictEqual(through, [])
      }))

    it.live("is asked through a tunnel, in which its certificate is checked", () =>
      Effect.gen(function*() {
        const { through, url: proxyUrl } = yield* proxy(answers)
        const url = yield* secureServer(answers)
        yield* withEnvironment({ HTTPS_PROXY: proxyUrl })
        const refused = yield* reason(url)
        assert.strictEqual(refused._tag, "StorageUnavailable")
        assert.match(refused.message, /certificate is not trusted .*NODE_EXTRA_CA_CERTS/)
        assert.strictEqual(yield* read(url, { ca: authority.ca }), body)
        assert.isAbove(through.length, 0)
        assert.isTrue(through.every((line) => line === `CONNECT localhost:${new URL(url).port}`), through.join())
      }))

    it.live("tells a proxy that asks for credentials apart, and gives it those of its URL", () =>
      Effect.gen(function*() {
        const secret = "canaryUser:canaryPassword"
        const { port, url } = yield* proxy(answers, { password: secret })
        const target = yield* secureServer(answers)
        const tls = { ca: authority.ca }
        for (const store of ["http://store.corp.invalid:9000", target]) {
          yield* Effect.scoped(Effect.gen(function*() {
            const open = `http://127.0.0.1:${port}`
            yield* withEnvironment({ HTTP_PROXY: open, HTTPS_PROXY: open })
            const refused = yield* reason(store, tls)
            assert.strictEqual(refused._tag, "ResultAccessDenied")
            assert.include(refused.message, "the proxy requires credentials (HTTP status 407)")
          }))
          yield* Effect.scoped(Effect.gen(function*() {
            yield* withEnvironment({ HTTP_PROXY: url, HTTPS_PROXY: url })
            assert.strictEqual(yield* read(store, tls), body)
          }))
        }
      }))

    it.live("tells a proxy that does not connect apart", () =>
      Effect.gen(function*() {
        const server = createServer(answers)
        server.on("connect", (_request, socket) => socket.end("HTTP/1.1 502 Bad Gateway canary\r\n\r\n"))
        const port = yield* listening(server)
        yield* withEnvironment({ HTTPS_PROXY: `http://canary:canary@127.0.0.1:${port}` })
        const refused = yield* reason("https://store.corp.invalid")
        assert.strictEqual(refused._tag, "StorageUnavailable")
        assert.include(refused.message, "the proxy does not connect to the store (HTTP status 502)")
        assert.notInclude(JSON.stringify(refused), "canary")
      }))

    it.live("trusts the authorities that tls names, and every certificate when told so", () =>
      Effect.gen(function*() {
        const url = yield* secureServer(answers)
        yield* withEnvironment({})
        assert.match((yield* reason(url)).message, /certificate is not trusted/)
        assert.strictEqual(yield* read(url, { ca: [authority.ca] }), body)
        assert.strictEqual(
          yield* Effect.provideService(read(url, { rejectUnauthorized: false }), References.MinimumLogLevel, "None"),
          body
        )
        const wrong = yield* reason(url, { ca: "no certificate" })
        assert.include(wrong.message, "tls.ca")
      }))

    it.live("names a proxy of the environment that is no URL", () =>
      Effect.gen(function*() {
        yield* withEnvironment({ HTTPS_PROXY: "socks5://canary@127.0.0.1:1" })
        const { message } = yield* reason("https://store.corp.invalid")
        assert.include(message, "HTTPS_PROXY")
        assert.notInclude(message, "canary")
      }))
  })
}

describe("credentials", () => {
  it.live("of AWS: AWS_CA_BUNDLE names authorities, and is named when it cannot be read", () =>
    Effect.gen(function*() {
      const [s3] = stores
      const url = yield* secureServer(answers)
      yield* withEnvironment({})
      const storage = (file: string) =>
        Layer.provide(s3.layer(url), ConfigProvider.layer(ConfigProvider.fromEnv({ env: { AWS_CA_BUNDLE: file } })))
      const { message } = yield* reasonOf(storage("/no/such/file"), s3.descriptor)
      assert.match(message, /AWS_CA_BUNDLE.*cannot be read \(ENOENT\)/)
      assert.strictEqual(yield* textOf(storage(authority.file), s3.descriptor), body)
    }))

  it.live("of Google are asked for through the proxy and with the authorities as well", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const url = yield* secureServer((request, response) => {
        asked.push(`${request.method} ${request.url?.split("?")[0]} ${request.headers.authorization ?? ""}`)
        if (request.url !== "/token") return answers(request, response)
        request.resume()
        response.writeHead(200, { "content-type": "application/json" })
        response.end(JSON.stringify({ access_token: "token-1", expires_in: 3600, token_type: "Bearer" }))
      })
      // The address of the token is Google's whatever the file says: the proxy leads it here.
      const { through, url: proxyUrl } = yield* proxy(answers, { tunnelsTo: Number(new URL(url).port) })
      const { privateKey } = generateKeyPairSync("rsa", {
        modulusLength: 1024,
        publicKeyEncoding: { type: "spki", format: "pem" },
        privateKeyEncoding: { type: "pkcs8", format: "pem" }
      })
      const file = join(yield* temporaryFolder, "key.json")
      writeFileSync(
        file,
        JSON.stringify({
          type: "service_account",
          client_email: "reader@project.iam.gserviceaccount.com",
          private_key: privateKey
        })
      )
      yield* withEnvironment({ HTTPS_PROXY: proxyUrl })
      vi.stubEnv("GOOGLE_APPLICATION_CREDENTIALS", file)
      vi.stubEnv("METADATA_SERVER_DETECTION", "none")
      yield* Effect.addFinalizer(() => Effect.sync(() => vi.unstubAllEnvs()))
      const layer = GCSStorage.layer({
        endpoint: url,
        authenticate: true,
        buckets: ["data"],
        attempts: 1,
        tls: { ca: authority.ca }
      })
      assert.strictEqual(yield* textOf(layer, stores[1].descriptor), body)
      assert.deepStrictEqual(asked, ["POST /token ", "GET /storage/v1/b/data/o/key Bearer token-1"])
      assert.include(through, "CONNECT oauth2.googleapis.com:443")
    }))
})
