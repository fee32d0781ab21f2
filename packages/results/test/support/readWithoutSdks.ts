// Run by withoutSdks.test.ts in a process where the SDKs are hidden. Prints what reading gives, as one line of JSON.
import { AzureResult, GCSResult, LocalResult, S3Result } from "@effect-prefect/core/ResultDescriptor"
import * as AzureStorage from "@effect-prefect/results/AzureStorage"
import * as GCSStorage from "@effect-prefect/results/GCSStorage"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as S3Storage from "@effect-prefect/results/S3Storage"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

const [root = ""] = process.argv.slice(2)
const descriptors = [
  new LocalResult({ location: `${root}/file` }),
  new S3Result({ bucket: "data", location: "key" }),
  new GCSResult({ bucket: "data", location: "key" }),
  new AzureResult({ container: "data", location: "key" })
]

const program = Effect.gen(function*() {
  const storage = yield* ResultStorage.ResultStorage
  return yield* Effect.forEach(descriptors, (descriptor) =>
    storage.read(descriptor, { maxBytes: 1000 }).pipe(
      Effect.map((stored) => stored._tag === "Bytes" ? new TextDecoder().decode(stored.bytes) : stored._tag),
      Effect.catch((reason) => Effect.succeed(`${reason._tag}: ${reason.message}`))
    ))
}).pipe(Effect.provide(ResultStorage.layerMerge([
  LocalStorage.layer({ roots: [root] }),
  S3Storage.layer({ buckets: ["data"] }),
  GCSStorage.layer({ buckets: ["data"] }),
  AzureStorage.layer({ containers: ["data"], connectionString: Redacted.make("x") })
])))

console.log(JSON.stringify(await Effect.runPromise(program)))
