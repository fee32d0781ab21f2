/**
 * Backends and object stores that lie, stall, flood and redirect elsewhere: each read must end in a typed error, soon
 * and with little memory, and credentials must go only where they belong.
 */
import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import * as Prefect3Api from "@effect-prefect/api/Prefect3Api"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { AzureResult, GCSResult, S3Result } from "@effect-prefect/core/ResultDescriptor"
import * as AzureStorage from "@effect-prefect/results/AzureStorage"
import * as GCSStorage from "@effect-prefect/results/GCSStorage"
import { ResultStorage } from "@effect-prefect/results/ResultStorage"
import * as S3Storage from "@effect-prefect/results/S3Storage"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import assert from "node:assert/strict"
import { once } from "node:events"
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { inspect } from "node:util"
import { gzipSync } from "node:zlib"
import { check } from "../support/check.ts"
import { uuid } from "../support/hostileArchive.ts"

const key = "canary-key-0123456789"

const listen = async (listener: RequestListener) => {
  const server = createServer({ maxHeaderSize: 1 << 20 }, listener)
  server.on("clientError", () => {})
  await once(server.listen(0, "127.0.0.1"), "listening")
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
    }
  }
}

const led: Array<string> = []
/** The target of redirects, which no request may reach. */
const elsewhere = await listen((request, response) => {
  led.push(`${request.method} ${request.url} ${JSON.stringify(request.headers)}`)
  response.end("{}")
})

const json = (response: ServerResponse, value: unknown, status = 200, headers: Record<string, string> = {}) => {
  response.writeHead(status, { "content-type": "application/json", ...headers })
  response.end(typeof value === "string" ? value : JSON.stringify(value))
}
const redirect = (location: string, status = 307): RequestListener => (request, response) => {
  request.resume()
  response.writeHead(status, { location, "x-amz-bucket-region": "evil.example/#", "x-ms-error-code": "Redirected" })
  response.end()
}
const raw = (text: string | Buffer): RequestListener => ({ socket }) => void socket.end(text)
const forEver = (write: (response: ServerResponse) => void, pause: number): RequestListener => (_request, response) => {
  const timer = setInterval(() => response.destroyed ? clearInterval(timer) : write(response), pause)
  response.on("close", () => clearInterval(timer))
}
const flood: RequestListener = (_request, response) => {
  response.writeHead(200, { "content-type": "application/json", etag: "\"1\"", "x-goog-generation": "1" })
  const chunk = Buffer.alloc(1 << 16, 32)
  const go = () => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once("drain", go)
  }
  go()
}
/** 2 GiB of blanks in 2 MB: consecutive gzip members. */
const bomb = (() => {
  const member = gzipSync(Buffer.alloc(1 << 24, 32))
  return Buffer.concat(Array.from({ length: 128 }, () => member))
})()
const zipped = (body: Buffer, encoding: string): RequestListener => (_request, response) => {
  response.writeHead(200, { "content-type": "application/json", "content-encoding": encoding })
  response.end(body)
}
const echo = ({ headers, url }: IncomingMessage) => `refused ${url} ${JSON.stringify(headers)}`

/** Attacks that any server can make, whatever the request. */
const faults: Readonly<Record<string, RequestListener>> = {
  "headers that never come": () => {},
  "a byte a second": forEver((response) => response.write(" "), 1_000),
  "a body without end": flood,
  "1xx without end": forEver((response) => response.writeProcessing(), 20),
  "a switch of protocols": raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
  "a header of 1 MB": raw(`HTTP/1.1 200 OK\r\nX: ${"y".repeat(1 << 20)}\r\nContent-Length: 2\r\n\r\n{}`),
  "a length that is too long": raw("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"),
  "two lengths": raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
  "chunks that lie": raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n{}\r\n"),
  "a reset": ({ socket }) => void socket.resetAndDestroy(),
  "garbage": raw("\0\x01\x02 not HTTP\r\n\r\n"),
  "a redirect to another host": redirect(`${elsewhere.url}/stolen`),
  "a redirect (301) to another host": redirect(`${elsewhere.url}/stolen`, 301),
  "a redirect to another host with a user": redirect(elsewhere.url.replace("//", "//x:y@")),
  "a redirect to a file": redirect("file:///etc/passwd"),
  "a redirect to data": redirect("data:application/json,{}"),
  "a redirect to itself": (request, response) => redirect(`${request.url}x`)(request, response),
  "a long wait to try again": (_request, response) => json(response, {}, 429, { "retry-after": "999999999" }),
  "a wait until 2999": (_request, response) =>
    json(response, {}, 503, { "retry-after": "Fri, 01 Jan 2999 00:00:00 GMT" }),
  "an echo of the request": (request, response) =>
    json(
      response,
      { detail: echo(request), errors: [{ message: echo(request), extensions: { code: echo(request) } }] },
      400
    ),
  "an echo of the request in an error of the server": (request, response) =>
    json(response, { detail: echo(request) }, 500),
  "an echo of the request in its headers": (request, response) => {
    const value = echo(request).replace(/[^ -~]/g, "")
    json(response, {}, 403, { "www-authenticate": value, "x-ms-error-code": value, "x-amz-request-id": value })
  }
}

const policy = {
  requestTimeout: "2 seconds",
  retries: 2,
  retryDelay: "20 millis",
  maxRetryDelay: "50 millis",
  maxRetryAfter: "200 millis",
  maxResponseBytes: 8 << 20
} as const

/** Attacks that only a backend can make. */
const answers: Readonly<Record<string, RequestListener>> = {
  "2 GiB in gzip": zipped(bomb, "gzip"),
  "five encodings": zipped(
    gzipSync(gzipSync(gzipSync(gzipSync(gzipSync(Buffer.alloc(1 << 26)))))),
    "gzip, gzip, gzip, gzip, gzip"
  ),
  "nothing": (_request, response) => void response.writeHead(200).end(),
  "204": (_request, response) => void response.writeHead(204).end(),
  "a page": (_request, response) =>
    void response.writeHead(200, { "content-type": "text/html" }).end("<html>log in</html>"),
  "half of an answer": (_request, response) => json(response, `{"data":{"task_run":[{"id":`),
  "null": (_request, response) => json(response, "null"),
  "a list": (_request, response) => json(response, "[]"),
  "lists a million deep": (_request, response) =>
    json(response, `{"data":{"task_run":${"[".repeat(1e6)}${"]".repeat(1e6)}}}`),
  "no UTF-8": (_request, response) =>
    void response.writeHead(200).end(Buffer.from(`{"data":{"task_run":[{"id":"\xff\xfe"}]}}`, "latin1")),
  "rows that are none": (_request, response) => json(response, { data: { task_run: [1, "x", null, []] } }),
  "another row": (_request, response) =>
    json(response, { id: uuid(2), data: { task_run: [{ id: uuid(2), serialized_state: { type: "Success" } }] } })
}

const judge = (name: string, effect: Effect.Effect<unknown, { readonly _tag: string }>) =>
  check(name, async () => {
    const [before, start] = [process.memoryUsage().rss, performance.now()]
    const outcome = await Effect.runPromise(Effect.match(effect, {
      onFailure: (error) => ({ error, text: `${inspect(error, { depth: 9 })} ${JSON.stringify(error)}` }),
      onSuccess: (value) => ({ error: undefined, text: inspect(value, { depth: 9 }).slice(0, 500) })
    }))
    assert.ok(outcome.error !== undefined, `it gave ${outcome.text}`)
    for (const secret of [key, Buffer.from(key).toString("base64").replace(/=+$/, "")]) {
      assert.ok(!outcome.text.includes(secret), outcome.text)
    }
    assert.ok(performance.now() - start < 60_000, `${performance.now() - start} ms`)
    assert.ok(process.memoryUsage().rss - before < 400 * 1024 * 1024)
  })

const lookup = Effect.flatMap(PrefectApi, (api) => api.taskRun(uuid(1)))
for (const [name, listener] of Object.entries({ ...faults, ...answers })) {
  {
    await using server = await listen(listener)
    const layer = GraphQLApi.layer({ url: server.url, apiKey: Redacted.make(key), ...policy })
    await judge(`a Prefect 1 API: ${name}`, Effect.provide(lookup, layer))
  }
  await using server = await listen((request, response) =>
    request.url?.includes("/admin/version") === true ? json(response, "\"3.8.0\"") : listener(request, response)
  )
  const layer = Prefect3Api.layer({ url: `${server.url}/api`, apiKey: Redacted.make(key), ...policy })
  await judge(`a Prefect 3 API: ${name}`, Effect.provide(lookup, layer))
}

const limits = { attempts: 2, idleTimeout: "2 seconds", timeout: "20 seconds" } as const
const stores = [
  ["S3", new S3Result({ bucket: "data", location: "key" }), (endpoint: string) =>
    S3Storage.layer({
      endpoint,
      region: "us-east-1",
      buckets: ["data"],
      credentials: { accessKeyId: key, secretAccessKey: Redacted.make(key), sessionToken: Redacted.make(key) },
      ...limits
    })],
  [
    "Google Cloud Storage",
    new GCSResult({ bucket: "data", location: "key" }),
    (endpoint: string) => GCSStorage.layer({ endpoint, buckets: ["data"], ...limits })
  ],
  ["Azure", new AzureResult({ container: "data", location: "key" }), (url: string) =>
    AzureStorage.layer({
      accountUrl: `${url}/account`,
      sasToken: Redacted.make(`sv=1&sig=${key}`),
      containers: ["data"],
      ...limits
    })]
] as const
for (const [store, descriptor, layerOf] of stores) {
  const read = Effect.flatMap(ResultStorage, (storage) => storage.read(descriptor, { maxBytes: 8 << 20 }))
  for (const [name, listener] of Object.entries(faults)) {
    await using server = await listen(listener)
    await judge(`${store}: ${name}`, Effect.provide(read, layerOf(server.url)))
  }
}
await check("nobody went where an answer led", () => assert.deepEqual(led, []))
await elsewhere[Symbol.asyncDispose]()
