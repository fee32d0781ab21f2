// Measured: bench/storage-s3.bench.ts
/**
 * GET requests to S3, signed here by Signature Version 4 (docs/decisions/s3-signing.md). The SDK still determines where
 * a bucket is and whose credentials are used.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
import { createHmac, hash as digest } from "node:crypto"
import * as http from "node:http"
import * as https from "node:https"
import { field } from "./failure.ts"

/** The address of a bucket's objects, as found by the SDK. */
export interface Route {
  readonly secure: boolean
  readonly hostname: string
  readonly port: number | undefined
  /** The path before the key: "/" or "/bucket/". */
  readonly prefix: string
  readonly region: string
}

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

const hash = (text: string): string => digest("sha256", text)
const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest()

const emptyHash = hash("")

/** A key in a path, encoded by the rules of the signature: only letters, digits and -._~/ stay. */
export const encodeKey = (key: string): string =>
  encodeURIComponent(key)
    .replaceAll("%2F", "/")
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)

/** The route of a request that the SDK has signed, if similar requests can be made here. */
export const routeOf = (request: unknown, key: string): Route | undefined => {
  const authorization = field(request, "headers", "authorization")
  const hostname = field(request, "hostname")
  const path = field(request, "path")
  const port = field(request, "port")
  // Other algorithms, and services such as S3 Express with its sessions, stay with the SDK.
  const scope = /^AWS4-HMAC-SHA256 Credential=[^,]+\/\d{8}\/([^/,]+)\/s3\/aws4_request,/.exec(String(authorization))
  const end = encodeKey(key)
  if (scope === null || typeof hostname !== "string" || typeof path !== "string" || !path.endsWith(`/${end}`)) {
    return undefined
  }
  if (field(request, "headers", "x-amz-s3session-token") !== undefined) return undefined
  return {
    secure: field(request, "protocol") !== "http:",
    hostname: hostname.replace(/^\[|\]$/g, ""),
    port: typeof port === "number" ? port : undefined,
    prefix: path.slice(0, path.length - end.length),
    region: scope[1]!
  }
}

/** The block of SHA-256, in bytes. */
const block = 64

/** A key as the two hashes of an HMAC begin with it (RFC 2104). */
interface SigningKey {
  readonly inner: Uint8Array
  readonly outer: Uint8Array
}

let lastKey: { readonly for: string; readonly key: SigningKey } | undefined

/** The key of a day and region, which a process uses for many requests. */
const signingKey = (secret: string, day: string, region: string, service: string): SigningKey => {
  const name = `${day} ${region} ${service} ${secret}`
  if (lastKey?.for !== name) {
    const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), service), "aws4_request")
    const padded = (pad: number) => Uint8Array.from({ length: block }, (_, at) => (key[at] ?? 0) ^ pad)
    lastKey = { for: name, key: { inner: padded(0x36), outer: padded(0x5c) } }
  }
  return lastKey.key
}

/** The HMAC of a text of ASCII, in hexadecimal: two hashes at once take a third of the time of an object that hashes. */
const sign = ({ inner, outer }: SigningKey, text: string): string => {
  const bytes = Buffer.allocUnsafe(block + text.length)
  bytes.set(inner)
  bytes.write(text, block, "latin1")
  const last = Buffer.allocUnsafe(block + 32)
  last.set(outer)
  last.set(digest("sha256", bytes, "buffer"), block)
  return digest("sha256", last)
}

/** The `Authorization` of a GET with these headers, whose names are in lower case. */
export const authorization = (
  path: string,
  query: string,
  headers: Readonly<Record<string, string>>,
  region: string,
  { accessKeyId, secretAccessKey }: Credentials,
  service = "s3"
): string => {
  const date = headers["x-amz-date"] ?? ""
  const day = date.slice(0, 8)
  const names = Object.keys(headers).toSorted()
  const signed = names.join(";")
  const canonical = names.map((name) => `${name}:${headers[name]!.trim().replace(/ +/g, " ")}\n`).join("")
  const request = `GET\n${path}\n${query}\n${canonical}\n${signed}\n${headers["x-amz-content-sha256"] ?? emptyHash}`
  const scope = `${day}/${region}/${service}/aws4_request`
  const signature = sign(
    signingKey(secretAccessKey, day, region, service),
    `AWS4-HMAC-SHA256\n${date}\n${scope}\n${hash(request)}`
  )
  return `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}`
}

/** The response to a signed GET of an object, whatever its status. */
export const get = (
  route: Route,
  key: string,
  extra: Readonly<Record<string, string>>,
  credentials: Credentials,
  now: number,
  agents: { readonly http: http.Agent; readonly https: https.Agent },
  signal: AbortSignal
): Promise<http.IncomingMessage> => {
  const { hostname, port, prefix, region, secure } = route
  const path = prefix + encodeKey(key)
  const host = hostname.includes(":") ? `[${hostname}]` : hostname
  const headers: Record<string, string> = {
    ...extra,
    host: port === undefined ? host : `${host}:${port}`,
    "x-amz-content-sha256": emptyHash,
    "x-amz-date": new Date(now).toISOString().replace(/[-:]|\.\d+/g, "")
  }
  if (credentials.sessionToken !== undefined) headers["x-amz-security-token"] = credentials.sessionToken
  headers["authorization"] = authorization(path, "", headers, region, credentials)
  const options = { hostname, path, headers, ...(port === undefined ? {} : { port }) }
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const request = secure
      ? https.get({ ...options, agent: agents.https }, resolve)
      : http.get({ ...options, agent: agents.http }, resolve)
    request.on("error", reject)
    // Node's own option listens to the end of the request and its response too, which the signal does not outlive here.
    signal.addEventListener("abort", () => request.destroy(signal.reason as Error), { once: true })
  })
}
