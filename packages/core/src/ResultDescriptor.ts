/**
 * Where a result was stored: the `_result` object of a Prefect 1 state, or the `data` of a Prefect 3 state.
 *
 * A descriptor locates the bytes but does not describe them: Prefect 1 did not record the serializer.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { equalityWithout } from "./internal/equality.ts"
import { type Field, makeReader, makeWriter } from "./internal/fields.ts"
import { isNullableObject, isNullableString, isObject, type JsonObject } from "./internal/json.ts"

export type { JsonObject } from "./internal/json.ts"

const NullableString = Schema.optionalKey(Schema.NullOr(Schema.String))

const common = {
  /** The location of the value, in the notation of its storage; null when nothing was stored. */
  location: NullableString,
  /** The Prefect version that wrote the descriptor. */
  version: NullableString,
  /** Fields that this library does not know, unchanged. */
  extra: Schema.optionalKey(Schema.JsonObject)
}

/**
 * A file on the machine that ran the task. `location` is usually absolute, otherwise relative to `dir`.
 *
 * @category models
 * @since 0.1.0
 */
export class LocalResult extends Schema.TaggedClass<LocalResult>("@effect-prefect/core/LocalResult")("LocalResult", {
  ...common,
  dir: NullableString
}) {}

/**
 * An object `location` in the S3 bucket `bucket`.
 *
 * @category models
 * @since 0.1.0
 */
export class S3Result extends Schema.TaggedClass<S3Result>("@effect-prefect/core/S3Result")("S3Result", {
  ...common,
  bucket: NullableString
}) {}

/**
 * A blob `location` in the Google Cloud Storage bucket `bucket`.
 *
 * @category models
 * @since 0.1.0
 */
export class GCSResult extends Schema.TaggedClass<GCSResult>("@effect-prefect/core/GCSResult")("GCSResult", {
  ...common,
  bucket: NullableString
}) {}

/**
 * A blob `location` in the Azure Storage container `container`.
 *
 * @category models
 * @since 0.1.0
 */
export class AzureResult extends Schema.TaggedClass<AzureResult>("@effect-prefect/core/AzureResult")("AzureResult", {
  ...common,
  container: NullableString
}) {}

/**
 * A value kept in the database itself: `location` is its JSON text, or an ISO 8601 datetime.
 *
 * @category models
 * @since 0.1.0
 */
export class PrefectResult extends Schema.TaggedClass<PrefectResult>("@effect-prefect/core/PrefectResult")(
  "PrefectResult",
  common
) {}

/**
 * A constant of the flow's source. `location` is its `repr`; the value itself was not stored.
 *
 * @category models
 * @since 0.1.0
 */
export class ConstantResult extends Schema.TaggedClass<ConstantResult>("@effect-prefect/core/ConstantResult")(
  "ConstantResult",
  common
) {}

/**
 * The secret whose name is `location`. Its value is never stored.
 *
 * @category models
 * @since 0.1.0
 */
export class SecretResult extends Schema.TaggedClass<SecretResult>("@effect-prefect/core/SecretResult")(
  "SecretResult",
  { ...common, secretType: NullableString }
) {}

/**
 * Prefect's base class: nothing was stored.
 *
 * @category models
 * @since 0.1.0
 */
export class Result extends Schema.TaggedClass<Result>("@effect-prefect/core/Result")("Result", common) {}

/**
 * No result at all.
 *
 * @category models
 * @since 0.1.0
 */
export class NoResultType
  extends Schema.TaggedClass<NoResultType>("@effect-prefect/core/NoResultType")("NoResultType", common)
{}

/**
 * A result class of the user's own, or a descriptor whose fields are not those that Prefect writes. `raw` is the whole
 * object.
 *
 * @category models
 * @since 0.1.0
 */
export class CustomResult extends Schema.TaggedClass<CustomResult>("@effect-prefect/core/CustomResult")(
  "CustomResult",
  { raw: Schema.JsonObject }
) {
  /** The class name that Prefect recorded; for a document of Prefect 2.0 to 2.5, its encoding. */
  get type(): string {
    const { encoding, type } = this.raw
    return typeof type === "string"
      ? type
      : this.isDocument
      ? `document with the encoding ${JSON.stringify(encoding)}`
      : "(no type)"
  }
  /** Whether it is a document of Prefect 2.0 to 2.5: a text and how it was encoded. */
  get isDocument(): boolean {
    return this.raw["type"] === undefined && typeof this.raw["encoding"] === "string"
  }
  /** Whether it names one of Prefect's own classes, so that the problem is its fields. */
  get isMalformed(): boolean {
    return !this.isDocument && (this.raw["type"] === undefined || codecs.has(this.type))
  }
  /** The location of the value according to that class; null when nothing was stored. */
  get location(): string | null {
    const location = this.raw["location"] ?? (this.isDocument ? "the state itself" : null)
    return location === null || typeof location === "string" ? location : JSON.stringify(location)
  }
}

/**
 * A result of Prefect 2 or 3 (`state.data`): where a result record is stored, or the record itself.
 *
 * Without a `storageBlockId`, `storageKey` is an absolute path on the worker; with one it is relative to that block.
 * Recorded by the server, which does not check that the file was ever written.
 *
 * @category models
 * @since 0.1.0
 */
export class Prefect3Result extends Schema.TaggedClass<Prefect3Result>("@effect-prefect/core/Prefect3Result")(
  "Prefect3Result",
  {
    storageKey: Schema.NullOr(Schema.String),
    storageBlockId: Schema.optionalKey(Schema.NullOr(Schema.String)),
    /** ISO 8601; an expired record can still be read, and is marked. */
    expiration: Schema.optionalKey(Schema.NullOr(Schema.String)),
    /** `{ type: "pickle" | "json" | "compressed/…", … }`, sometimes incomplete. */
    serializer: Schema.optionalKey(Schema.NullOr(Schema.JsonObject)),
    prefectVersion: Schema.optionalKey(Schema.NullOr(Schema.String)),
    /** The serializer's output, when Prefect 2 kept it in the state itself; `storageKey` is then null. */
    payload: Schema.optionalKey(Schema.NullOr(Schema.String)),
    extra: Schema.optionalKey(Schema.JsonObject)
  }
) {
  /** The storage key, under the name that the other descriptors use. */
  get location(): string | null {
    return this.storageKey ?? (typeof this.payload === "string" ? "the state itself" : null)
  }
  /** Whether its expiration has passed at a time in milliseconds since the epoch. Prefect still reads such a result. */
  isExpired(now: number): boolean {
    return typeof this.expiration === "string" && Date.parse(this.expiration) <= now
  }
}

/**
 * Any descriptor. Switch on `_tag`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ResultDescriptor = Schema.Union([
  LocalResult,
  S3Result,
  GCSResult,
  AzureResult,
  PrefectResult,
  ConstantResult,
  SecretResult,
  Result,
  NoResultType,
  CustomResult,
  Prefect3Result
]).pipe(Schema.toTaggedUnion("_tag"))
/**
 * @category models
 * @since 0.1.0
 */
export type ResultDescriptor = typeof ResultDescriptor.Type

const commonFields: ReadonlyArray<Field> = [
  { name: "location", key: "location", accepts: isNullableString },
  { name: "version", key: "__version__", accepts: isNullableString }
]
const stringField = (name: string, key: string): Field => ({ name, key, accepts: isNullableString })

const ownFields = {
  LocalResult: [stringField("dir", "dir")],
  S3Result: [stringField("bucket", "bucket")],
  GCSResult: [stringField("bucket", "bucket")],
  AzureResult: [stringField("container", "container")],
  PrefectResult: [],
  ConstantResult: [],
  SecretResult: [stringField("secretType", "secret_type")],
  Result: [],
  NoResultType: []
} satisfies Record<string, ReadonlyArray<Field>>

const classes = {
  LocalResult,
  S3Result,
  GCSResult,
  AzureResult,
  PrefectResult,
  ConstantResult,
  SecretResult,
  Result,
  NoResultType
}

// Prefect compares results by content; the version that wrote them does not count.
const equality = equalityWithout(new Set(["version"]))
for (const { prototype } of Object.values(classes)) Object.assign(prototype, equality)
Object.assign(Prefect3Result.prototype, equality)

const codecs = new Map(
  (Object.keys(classes) as Array<keyof typeof classes>).map((tag) => {
    const fields = [...commonFields, ...ownFields[tag]]
    return [tag as string, {
      read: makeReader<ResultDescriptor>(classes[tag].prototype, tag, fields),
      write: makeWriter(tag, fields)
    }]
  })
)

const prefect3Fields: ReadonlyArray<Field> = [
  { name: "storageKey", key: "storage_key", accepts: isNullableString },
  { name: "storageBlockId", key: "storage_block_id", accepts: isNullableString },
  { name: "expiration", key: "expiration", accepts: isNullableString },
  { name: "serializer", key: "serializer", accepts: isNullableObject },
  { name: "prefectVersion", key: "prefect_version", accepts: isNullableString },
  { name: "payload", key: "payload", accepts: isNullableString }
]
const readPrefect3 = makeReader<Prefect3Result>(Prefect3Result.prototype, "Prefect3Result", prefect3Fields)
const writePrefect3 = makeWriter("", prefect3Fields)

/**
 * The descriptor of any JSON object: an unknown one becomes a `CustomResult` and loses nothing.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromJson = (json: JsonObject): ResultDescriptor => {
  const type = json["type"]
  if (typeof type === "string") return codecs.get(type)?.read(json) ?? new CustomResult({ raw: json })
  // The reader would drop a `type` of null or a number, so only an absent one marks Prefect 3's metadata.
  if (type === undefined && "storage_key" in json) {
    const read = readPrefect3(json)
    if (read !== undefined) return read
  }
  return new CustomResult({ raw: json })
}

/**
 * The JSON object that Prefect itself would write.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toJson = (descriptor: ResultDescriptor): JsonObject => {
  switch (descriptor._tag) {
    case "CustomResult":
      return descriptor.raw
    case "Prefect3Result": {
      const { type: _, ...json } = writePrefect3(descriptor)
      return json
    }
    default:
      return codecs.get(descriptor._tag)!.write(descriptor)
  }
}

/** The descriptor of a value that was stored by a result handler of Prefect 0.10. */
const ofHandler = (handler: JsonObject, value: string): ResultDescriptor | undefined => {
  const text = (key: string): string | null => typeof handler[key] === "string" ? handler[key] : null
  switch (handler["type"]) {
    case "JSONResultHandler":
      return new PrefectResult({ location: value })
    case "LocalResultHandler":
      return new LocalResult({ location: value, dir: text("dir") })
    case "S3ResultHandler":
      return new S3Result({ location: value, bucket: text("bucket") })
    case "GCSResultHandler":
      return new GCSResult({ location: value, bucket: text("bucket") })
    case "AzureResultHandler":
      return new AzureResult({ location: value, container: text("container") })
    case "ConstantResultHandler":
      return new ConstantResult({ location: value })
    case "SecretResultHandler":
      return new SecretResult({ location: value })
    default:
      return undefined
  }
}

/**
 * The descriptor to use when reading a result. Returns the given one, except for a `SafeResult`: Prefect 0.10 and
 * earlier recorded the handler that had stored the value, which later versions call a result of that type.
 *
 * @category conversions
 * @since 0.1.0
 */
export const readable = (descriptor: ResultDescriptor): ResultDescriptor => {
  if (descriptor._tag !== "CustomResult" || descriptor.raw["type"] !== "SafeResult") return descriptor
  const { result_handler: handler, value } = descriptor.raw
  if (value === undefined || value === null) return new NoResultType({})
  return (isObject(handler) && typeof value === "string" ? ofHandler(handler, value) : undefined) ?? descriptor
}

/**
 * `ResultDescriptor` from and to Prefect's own JSON.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FromJson = Schema.JsonObject.pipe(
  Schema.decodeTo(
    Schema.toType(ResultDescriptor),
    SchemaTransformation.transform({ decode: fromJson, encode: toJson })
  )
)

/**
 * Whether something was stored: there is a result type, and it has a location.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isPersisted = (descriptor: ResultDescriptor | undefined): descriptor is ResultDescriptor =>
  descriptor !== undefined && descriptor._tag !== "NoResultType" && descriptor.location !== undefined &&
  descriptor.location !== null
