/**
 * The contract of all storages, and behaviour that only a real server can show, on the servers of
 * storages.conformance.ts.
 */
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand
} from "@aws-sdk/client-s3"
import { BlobServiceClient } from "@azure/storage-blob"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import { AzureResult, GCSResult, Prefect3Result, S3Result } from "@effect-prefect/core/ResultDescriptor"
import * as AzureStorage from "@effect-prefect/results/AzureStorage"
import * as GCSStorage from "@effect-prefect/results/GCSStorage"
import * as Prefect3S3 from "@effect-prefect/results/Prefect3S3"
import * as Prefect3Storage from "@effect-prefect/results/Prefect3Storage"
import type { ResultStorage } from "@effect-prefect/results/ResultStorage"
import * as S3Storage from "@effect-prefect/results/S3Storage"
import { readBytes, readReason, suite as storageContract } from "@effect-prefect/results/testing"
import { assert, describe, it } from "@effect/vitest"
import { Storage } from "@google-cloud/storage"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { randomUUID } from "node:crypto"
import { servers } from "./servers.ts"

const { azure, gcs, s3 } = servers()

/** A name that no other test uses. */
const unique = () => `data-${randomUUID()}`
const bytes = Uint8Array.from({ length: 6_000_000 }, (_, index) => (index * 7) & 255)

const credentials = { accessKeyId: "reader", secretAccessKey: Redacted.make("secret") }
const s3Layer = (bucket: string) =>
  S3Storage.layer({ endpoint: s3, region: "us-east-1", credentials, buckets: [bucket] })
const s3Client = new S3Client({
  endpoint: s3,
  region: "us-east-1",
  forcePathStyle: true,
  credentials: { accessKeyId: "writer", secretAccessKey: "secret" }
})

const s3Bucket = Effect.promise(async () => {
  const bucket = unique()
  await s3Client.send(new CreateBucketCommand({ Bucket: bucket }))
  await s3Client.send(new PutObjectCommand({ Bucket: bucket, Key: "x", Body: bytes }))
  return bucket
})

storageContract(
  "S3 on moto",
  Effect.gen(function*() {
    const bucket = yield* s3Bucket
    const other = yield* s3Bucket
    return {
      layer: s3Layer(bucket),
      put: (key, body) => s3Client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body })),
      descriptor: (key) => new S3Result({ bucket, location: key }),
      outside: [new S3Result({ bucket: other, location: "x" })],
      emptyIsNone: true
    }
  })
)

describe("S3 on moto", () => {
  it.live("reads old versions", () =>
    Effect.gen(function*() {
      const bucket = yield* s3Bucket
      const put = (text: string) =>
        Effect.promise(() => s3Client.send(new PutObjectCommand({ Bucket: bucket, Key: "v", Body: text })))
      yield* Effect.promise(() =>
        s3Client.send(
          new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: "Enabled" } })
        )
      )
      const { VersionId = "" } = yield* put("old")
      yield* put("new")
      const read = (extra: Record<string, string>) =>
        Effect.map(
          readBytes(new S3Result({ bucket, location: "v", extra })),
          (stored) => new TextDecoder().decode(stored.bytes)
        ).pipe(Effect.provide(s3Layer(bucket)))
      assert.strictEqual(yield* read({ version_id: VersionId }), "old")
      assert.strictEqual(yield* read({}), "new")
    }))

  it.live("verifies the checksums of whole and multipart uploads", () =>
    Effect.gen(function*() {
      const bucket = yield* s3Bucket
      yield* Effect.promise(async () => {
        for (const algorithm of ["CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"] as const) {
          await s3Client.send(
            new PutObjectCommand({ Bucket: bucket, Key: algorithm, Body: bytes, ChecksumAlgorithm: algorithm })
          )
        }
        const object = { Bucket: bucket, Key: "parts" }
        const { UploadId } = await s3Client.send(
          new CreateMultipartUploadCommand({ ...object, ChecksumAlgorithm: "SHA256" })
        )
        const upload = { ...object, UploadId }
        const Parts = []
        for (const PartNumber of [1, 2]) {
          const part = await s3Client.send(new UploadPartCommand({ ...upload, PartNumber, Body: bytes }))
          Parts.push({ PartNumber, ETag: part.ETag, ChecksumSHA256: part.ChecksumSHA256 })
        }
        await s3Client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }))
      })
      for (const key of ["CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME", "parts"]) {
        const stored = yield* readBytes(new S3Result({ bucket, location: key }), 20_000_000).pipe(
          Effect.provide(s3Layer(bucket))
        )
        assert.strictEqual(stored.bytes.length, key === "parts" ? 2 * bytes.length : bytes.length, key)
      }
    }))

  it.live("tells a missing bucket from a missing object", () =>
    Effect.gen(function*() {
      const bucket = yield* s3Bucket
      const object = yield* readReason(new S3Result({ bucket, location: "none" })).pipe(
        Effect.provide(s3Layer(bucket))
      )
      assert.include(object.message, "NoSuchKey")
      const missing = unique()
      const reason = yield* readReason(new S3Result({ bucket: missing, location: "x" })).pipe(
        Effect.provide(s3Layer(missing))
      )
      assert.include(reason.message, "NoSuchBucket")
    }))
})

const gcsClient = new Storage({ apiEndpoint: gcs, projectId: "test" })

const gcsBucket = Effect.promise(async () => {
  const bucket = unique()
  await gcsClient.createBucket(bucket)
  await gcsClient.bucket(bucket).file("x").save("other")
  return bucket
})

storageContract(
  "Google Cloud Storage on gcp-storage-emulator",
  Effect.gen(function*() {
    const bucket = yield* gcsBucket
    const other = yield* gcsBucket
    return {
      layer: GCSStorage.layer({ endpoint: gcs, buckets: [bucket] }),
      put: (key, body) => gcsClient.bucket(bucket).file(key).save(Buffer.from(body), { resumable: false }),
      descriptor: (key) => new GCSResult({ bucket, location: key }),
      outside: [new GCSResult({ bucket: other, location: "x" })],
      emptyIsNone: true,
      // The emulator does not say which generation it sends, and ignores the one that is asked for.
      hasParts: false
    }
  })
)

const azureClient = BlobServiceClient.fromConnectionString(azure)

const azureContainer = Effect.promise(async () => {
  const container = unique()
  await azureClient.createContainer(container)
  await azureClient.getContainerClient(container).getBlockBlobClient("x").upload("other", 5)
  return container
})

const azureLayer = (container: string, connectionString = azure) =>
  AzureStorage.layer({ connectionString: Redacted.make(connectionString), containers: [container] })

storageContract(
  "Azure Blob Storage on Azurite",
  Effect.gen(function*() {
    const container = yield* azureContainer
    const other = yield* azureContainer
    return {
      layer: azureLayer(container),
      put: (key, body) =>
        azureClient.getContainerClient(container).getBlockBlobClient(key).upload(Buffer.from(body), body.length),
      descriptor: (key) => new AzureResult({ container, location: key }),
      outside: [new AzureResult({ container: other, location: "x" })],
      emptyIsNone: true
    }
  })
)

describe("Azure Blob Storage on Azurite", () => {
  it.live("tells a missing container, a missing blob and a wrong key apart", () =>
    Effect.gen(function*() {
      const container = yield* azureContainer
      const reasonOf = (container: string, location: string, connectionString?: string) =>
        readReason(new AzureResult({ container, location })).pipe(
          Effect.provide(azureLayer(container, connectionString))
        )
      assert.include((yield* reasonOf(container, "none")).message, "BlobNotFound")
      assert.include((yield* reasonOf(unique(), "x")).message, "ContainerNotFound")
      const wrongKey = azure.replace(/AccountKey=[^;]+/, `AccountKey=${btoa("CANARY")}`)
      const denied = yield* reasonOf(container, "x", wrongKey)
      assert.strictEqual(denied._tag, "ResultAccessDenied")
      assert.notInclude(denied.message, btoa("CANARY"))
    }))
})

/** A storage block in the form of a Prefect 2 or 3 server. */
interface Block {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

/** Results of Prefect 2 and 3 in a block, read by a storage that allows one bucket. `elsewhere` is a block of another. */
const inBlock = (
  inner: Layer.Layer<ResultStorage, unknown>,
  block: Block,
  elsewhere: Block,
  options?: Prefect3Storage.Options
) => {
  const api = Layer.mock(PrefectApi, {
    backendName: "a test",
    storageBlock: (id) => Effect.succeed({ id, ...(id === "own" ? block : elsewhere) })
  })
  return {
    layer: Layer.provide(Prefect3Storage.layer(inner, options), api) as Layer.Layer<ResultStorage, unknown>,
    descriptor: (key: string) => new Prefect3Result({ storageKey: key, storageBlockId: "own" }),
    outside: [
      new Prefect3Result({ storageKey: "x", storageBlockId: "other" }),
      ...("basepath" in block.data ? [new Prefect3Result({ storageKey: "../x", storageBlockId: "own" })] : [])
    ],
    emptyIsNone: false,
    // The record that Prefect 3 stores is read as a whole: the result is a text in it.
    hasParts: false
  }
}

for (
  const [name, block] of [
    ["GcsBucket", (bucket: string): Block => ({ type: "gcs-bucket", data: { bucket, bucket_folder: "runs/" } })],
    ["GCS of Prefect 2", (bucket: string): Block => ({ type: "gcs", data: { bucket_path: `${bucket}/runs` } })],
    ["RemoteFileSystem on gs://", (bucket: string): Block => ({
      type: "remote-file-system",
      data: { basepath: `gs://${bucket}/runs`, settings: { token: "anon" } }
    })]
  ] as const
) {
  storageContract(
    `a block ${name}, on gcp-storage-emulator`,
    Effect.gen(function*() {
      const bucket = yield* gcsBucket
      const other = yield* gcsBucket
      return {
        ...inBlock(GCSStorage.layer({ endpoint: gcs, buckets: [bucket] }), block(bucket), block(other)),
        put: (key, body) => gcsClient.bucket(bucket).file(`runs/${key}`).save(Buffer.from(body), { resumable: false })
      }
    })
  )
}

for (
  const [name, block] of [
    ["AzureBlobStorageContainer", (container: string): Block => ({
      type: "azure-blob-storage-container",
      data: { container_name: container, base_folder: "runs" }
    })],
    ["Azure of Prefect 2", (container: string): Block => ({
      type: "azure",
      data: { bucket_path: `${container}/runs/` }
    })],
    ["RemoteFileSystem on az://", (container: string): Block => ({
      type: "remote-file-system",
      data: { basepath: `az://${container}/runs`, settings: { account_name: "devstoreaccount1" } }
    })]
  ] as const
) {
  storageContract(
    `a block ${name}, on Azurite`,
    Effect.gen(function*() {
      const container = yield* azureContainer
      const other = yield* azureContainer
      return {
        ...inBlock(azureLayer(container), block(container), block(other)),
        put: (key, body) =>
          azureClient.getContainerClient(container).getBlockBlobClient(`runs/${key}`)
            .upload(Buffer.from(body), body.length)
      }
    })
  )
}

storageContract(
  "a block S3Bucket with MinIO's credentials of its own, on moto",
  Effect.gen(function*() {
    const bucket = yield* s3Bucket
    const other = yield* s3Bucket
    const block = (bucket: string): Block => ({
      type: "s3-bucket",
      data: {
        bucket_name: bucket,
        bucket_folder: "runs",
        credentials: {
          minio_root_user: "minio",
          minio_root_password: Redacted.make("minio-secret"),
          aws_client_parameters: { endpoint_url: s3 },
          region_name: "us-east-1"
        }
      }
    })
    return {
      ...inBlock(S3Storage.layer({ buckets: [] }), block(bucket), block(other), {
        forBlock: Prefect3S3.forBlock({ buckets: [bucket], allowEndpoint: (endpoint) => endpoint === s3 })
      }),
      put: (key, body) => s3Client.send(new PutObjectCommand({ Bucket: bucket, Key: `runs/${key}`, Body: body }))
    }
  })
)
