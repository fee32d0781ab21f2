/** What stands between a client and its server: proxies, and a certificate of a private authority. */
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs"
import { createServer, type IncomingMessage, type RequestListener } from "node:http"
import { createServer as createTlsServer } from "node:https"
import { type AddressInfo, connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

export const listening = (server: ReturnType<typeof createServer>) =>
  Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as AddressInfo).port)))
    }),
    () =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  )

/** A proxy that answers plain requests itself and tunnels the others, and what came through it. */
export const proxy = (
  answers: RequestListener,
  options: { readonly password?: string; readonly tunnelsTo?: number } = {}
) =>
  Effect.gen(function*() {
    const through: Array<string> = []
    const isKnown = (request: IncomingMessage) =>
      options.password === undefined ||
      request.headers["proxy-authorization"] === `Basic ${Buffer.from(options.password).toString("base64")}`
    const server = createServer((request, response) => {
      through.push(`${request.method} ${request.url}`)
      if (isKnown(request)) return answers(request, response)
      request.resume()
      response.writeHead(407)
      response.end()
    })
    server.on("connect", (request, socket) => {
      through.push(`CONNECT ${request.url}`)
      if (!isKnown(request)) return socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
      const upstream = connect(options.tunnelsTo ?? Number(request.url?.split(":")[1]), "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n")
        upstream.pipe(socket).pipe(upstream)
      })
      for (const one of [upstream, socket]) one.on("error", () => socket.destroy())
    })
    const port = yield* listening(server)
    return {
      through,
      port,
      url: `http://${options.password === undefined ? "" : `${options.password}@`}127.0.0.1:${port}`
    }
  })

const names = [
  ...["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"].flatMap((name) => [name, name.toLowerCase()]),
  "AWS_CA_BUNDLE",
  "SSL_CERT_FILE"
]

/** Runs with these variables of proxies and authorities, and no others. */
export const withEnvironment = (variables: Record<string, string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = names.map((name) => [name, process.env[name]] as const)
      for (const name of names) delete process.env[name]
      Object.assign(process.env, variables)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      })
  )

// Test files of one process share it: it goes with the temporary files of the run.
const folder = mkdtempSync(join(tmpdir(), "authority-"))

/** A private authority, and a certificate of localhost that it signed. */
export const authority = (() => {
  const openssl = (...words: ReadonlyArray<string>) =>
    execFileSync("openssl", words, { cwd: folder, stdio: ["ignore", "pipe", "ignore"] })
  writeFileSync(join(folder, "extensions"), "subjectAltName=DNS:localhost,IP:127.0.0.1,DNS:oauth2.googleapis.com")
  openssl(
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-days",
    "2",
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
    "-subj",
    "/CN=private"
  )
  openssl(
    "req",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-keyout",
    "server.key",
    "-out",
    "server.csr",
    "-subj",
    "/CN=localhost"
  )
  openssl(
    "x509",
    "-req",
    "-in",
    "server.csr",
    "-CA",
    "ca.pem",
    "-CAkey",
    "ca.key",
    "-CAcreateserial",
    "-out",
    "server.pem",
    "-days",
    "2",
    "-extfile",
    "extensions"
  )
  const read = (name: string) => readFileSync(join(folder, name), "utf8")
  return { file: join(folder, "ca.pem"), ca: read("ca.pem"), key: read("server.key"), cert: read("server.pem") }
})()

/** A server whose certificate, for localhost and 127.0.0.1, the authority signed. */
export const secureServer = (answers: RequestListener) =>
  Effect.map(
    listening(createTlsServer({ key: authority.key, cert: authority.cert }, answers) as never),
    (port) => `https://localhost:${port}`
  )
