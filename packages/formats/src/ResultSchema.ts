/**
 * Schemas for Python values, for use with `getResultAs`. Each accepts every form in which Prefect may have stored such
 * a value: a pickled object, JSON text, a cell of a table.
 *
 * **Example** (Reading orders)
 *
 * ```ts
 * import * as ResultSchema from "@effect-prefect/formats/ResultSchema"
 * import * as Schema from "effect/Schema"
 *
 * const Order = Schema.Struct({
 *   id: Schema.Int,
 *   placed: ResultSchema.DateTime,
 *   amount: ResultSchema.Decimal,
 *   tags: ResultSchema.set(Schema.String)
 * })
 *
 * export const Orders = ResultSchema.table(Order)
 * ```
 *
 * **Example** (Lists)
 *
 * ```ts
 * import * as ResultSchema from "@effect-prefect/formats/ResultSchema"
 * import * as Schema from "effect/Schema"
 *
 * export const Amounts = ResultSchema.list(ResultSchema.Decimal)
 * export const Scores = ResultSchema.dict(Schema.String, ResultSchema.Integer)
 * ```
 *
 * @since 0.1.0
 */
import {
  Column as PyColumn,
  DataFrame,
  Decimal as PyDecimal,
  Index,
  isDict,
  NdArray,
  NpScalar,
  NpTime,
  Path as PyPath,
  PyArray,
  PyDate,
  PyDateTime,
  PyEnum,
  PyFloat,
  PyObject,
  PyTimedelta,
  Range,
  Series,
  Timedelta,
  Timestamp,
  Timezone,
  UUID as PyUUID,
  zoneOf
} from "@effect-prefect/pickle"
import * as BigDecimal from "effect/BigDecimal"
import * as DateTimes from "effect/DateTime"
import * as Durations from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { type FormatError, undecodable } from "./FormatError.ts"
import { parseDateTime } from "./internal/python/datetime.ts"
import { fromDataFrame } from "./internal/python/frames.ts"
import { originalOf, plainer } from "./internal/python/plainer.ts"
import * as SchemaIssues from "./internal/schemaIssue.ts"
import * as JsonProjection from "./JsonProjection.ts"
import { Table } from "./Table.ts"

/** A NumPy scalar or a typed float as a plain value. */
const plain = (value: unknown): unknown => {
  const original = originalOf(value)
  return original instanceof NpScalar || original instanceof PyFloat ? original.value : original
}

const expected = (what: string, value: unknown, options: SchemaAST.ParseOptions) =>
  Effect.fail(new SchemaIssue.InvalidValue({ expected: what }, value, options))

/** A schema of `to` that decodes with `decode`, which returns `undefined` for a value that it does not accept. */
const from = <S extends Schema.Constraint>(
  to: S,
  what: string,
  decode: (value: unknown) => S["Encoded"] | undefined,
  encode: (value: S["Encoded"]) => unknown
) =>
  Schema.Unknown.pipe(
    Schema.decodeTo(
      to,
      SchemaTransformation.transformEffect<S["Encoded"], unknown>({
        decode: (value, options) => {
          const decoded = decode(plain(value))
          return decoded === undefined ? expected(what, originalOf(value), options) : Effect.succeed(decoded)
        },
        encode: (value) => Effect.succeed(encode(value))
      })
    )
  )

/** A datetime of any kind: the instant in milliseconds, the remainder in microseconds, and the zone. */
interface Instant {
  readonly millis: number
  /** 0 to 999, beyond the millisecond. */
  readonly micros: number
  readonly zone: DateTimes.TimeZone
}

const utc = DateTimes.zoneMakeOffset(0)

const zoneFor = (tzinfo: unknown, offset: number | null): DateTimes.TimeZone => {
  const key = tzinfo === null || tzinfo === undefined ? null : zoneOf(tzinfo)?.key ?? null
  const named = key === null || key === "UTC" ? Option.none() : DateTimes.zoneMakeNamed(key)
  return Option.getOrElse(named, () => offset === null || offset === 0 ? utc : DateTimes.zoneMakeOffset(offset / 1_000))
}

const instantOf = (value: unknown): Instant | undefined => {
  if (typeof value === "string") return instantOf(parseDateTime(value))
  if (value instanceof PyDateTime) {
    const offset = value.utcOffset()
    if (value.tzinfo !== null && offset === null) return undefined
    const micros = value.microsecond - (offset ?? 0)
    return {
      millis: value.toDate().getTime(),
      micros: ((micros % 1_000) + 1_000) % 1_000,
      zone: zoneFor(value.tzinfo, offset)
    }
  }
  if (value instanceof Timestamp) {
    if (value.hasUnknownZone) return undefined
    const micros = Number(((value.ns / 1_000n) % 1_000n + 1_000n) % 1_000n)
    return { millis: value.toDate().getTime(), micros, zone: zoneFor(value.tzinfo, value.utcOffset()) }
  }
  if (value instanceof NpTime && value.kind === "datetime64" && value.nanoseconds !== null) {
    return instantOf(new Timestamp(value.nanoseconds, "ns", null))
  }
  if (value instanceof Date && !Number.isNaN(value.getTime())) return { millis: value.getTime(), micros: 0, zone: utc }
  return undefined
}

const zoned = ({ millis, zone }: Instant): DateTimes.Zoned => DateTimes.makeZonedUnsafe(millis, { timeZone: zone })

const pythonDateTime = (value: DateTimes.Zoned, micros: number): PyDateTime => {
  const { day, hour, millisecond, minute, month, second, year } = DateTimes.toParts(value)
  const zone = new Timezone(DateTimes.zonedOffset(value) * 1_000)
  return new PyDateTime(year, month, day, hour, minute, second, millisecond * 1_000 + micros, 0, zone)
}

/**
 * A datetime as `DateTime.Zoned`: from a datetime, a pendulum DateTime, a Timestamp, a datetime64 or ISO 8601 text.
 *
 * `DateTime` has millisecond precision: a finer remainder is truncated, and kept by `DateTimeMicros`. A datetime
 * without a zone is assumed to be in UTC, and one whose zone is unknown is rejected.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DateTime = from(
  Schema.DateTimeZoned,
  "datetime",
  (value) => {
    const instant = instantOf(value)
    return instant === undefined ? undefined : zoned(instant)
  },
  (value) => pythonDateTime(value, 0)
)

/**
 * Like `DateTime`, with Python's microseconds: `microsecond` is 0 to 999, beyond the milliseconds of `dateTime`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DateTimeMicros = from(
  Schema.toType(Schema.Struct({ dateTime: Schema.DateTimeZoned, microsecond: Schema.Int })),
  "datetime",
  (value) => {
    const instant = instantOf(value)
    return instant === undefined ? undefined : { dateTime: zoned(instant), microsecond: instant.micros }
  },
  ({ dateTime, microsecond }) => pythonDateTime(dateTime, microsecond)
)

/**
 * A date as `DateTime.Utc` at midnight: from a date or its ISO 8601 text.
 *
 * @category schemas
 * @since 0.1.0
 */
export const LocalDate = from(
  Schema.DateTimeUtc,
  "date",
  (value) => {
    if (value instanceof PyDate) return DateTimes.fromDateUnsafe(value.toDate())
    if (typeof value !== "string" || !/^\d{4}-\d\d-\d\d$/.test(value)) return undefined
    const date = parseDateTime(value)
    return date === undefined ? undefined : DateTimes.fromDateUnsafe(date.toDate())
  },
  (value) => {
    const { day, month, year } = DateTimes.toPartsUtc(value)
    return new PyDate(year, month, day)
  }
)

/**
 * A timedelta as `Duration`: from a timedelta, a Timedelta, a timedelta64 or a number of seconds.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Duration = from(
  Schema.Duration,
  "timedelta",
  (value) => {
    if (value instanceof Timedelta) return Durations.nanos(value.ns)
    if (value instanceof PyTimedelta) {
      return Durations.nanos(
        (BigInt(value.days * 86_400 + value.seconds) * 1_000_000n + BigInt(value.microseconds)) * 1_000n
      )
    }
    if (value instanceof NpTime && value.kind === "timedelta64" && value.nanoseconds !== null) {
      return Durations.nanos(value.nanoseconds)
    }
    return typeof value === "number" && Number.isFinite(value) ? Durations.seconds(value) : undefined
  },
  (value) => {
    const nanos = Option.getOrElse(Durations.toNanos(value), () => 0n)
    const micros = nanos / 1_000n
    const days = micros / 86_400_000_000n - (micros % 86_400_000_000n < 0n ? 1n : 0n)
    const rest = Number(micros - days * 86_400_000_000n)
    return new PyTimedelta(Number(days), Math.floor(rest / 1e6), rest % 1e6)
  }
)

/**
 * A Decimal as an exact `BigDecimal`: from a Decimal, an int, a finite float or their text. NaN and Infinity are
 * rejected.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Decimal = from(
  Schema.BigDecimal,
  "Decimal",
  (value) => {
    if (typeof value === "bigint") return BigDecimal.fromBigInt(value)
    if (typeof value === "number") return Option.getOrUndefined(BigDecimal.fromNumber(value))
    const text = value instanceof PyDecimal ? value.value : value
    return typeof text === "string" && text !== "" ? Option.getOrUndefined(BigDecimal.fromString(text)) : undefined
  },
  (value) => new PyDecimal(BigDecimal.format(value))
)

/**
 * An int as bigint, of any size.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Integer = from(
  Schema.BigInt,
  "int",
  (value) => typeof value === "bigint" ? value : Number.isSafeInteger(value) ? BigInt(value as number) : undefined,
  (value) => Number.isSafeInteger(Number(value)) ? Number(value) : value
)

const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/**
 * A UUID as text in lower case: from a UUID or its text.
 *
 * @category schemas
 * @since 0.1.0
 */
export const UUID = from(
  Schema.String,
  "UUID",
  (value) => {
    const text = (value instanceof PyUUID ? value.value : typeof value === "string" ? value : "").toLowerCase()
    return uuidForm.test(text) ? text : undefined
  },
  (value) => new PyUUID(value)
)

/**
 * bytes, a bytearray or a memoryview as Uint8Array.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Bytes = from(
  Schema.Uint8Array,
  "bytes",
  (value) => value instanceof Uint8Array ? value : undefined,
  (value) => value
)

/**
 * A pathlib path as text.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Path = from(
  Schema.String,
  "Path",
  (value) => value instanceof PyPath ? value.value : typeof value === "string" ? value : undefined,
  (value) => new PyPath("pathlib.PurePosixPath", value)
)

/** The items of any Python iterable whose items are values; not of text and dicts. */
const itemsOf = (value: unknown): ReadonlyArray<unknown> | undefined => {
  if (Array.isArray(value)) return value
  if (value instanceof Set) return [...value]
  if (value instanceof NdArray) {
    const list = value.toList()
    return Array.isArray(list) ? list : undefined
  }
  if (value instanceof Range && typeof value.length !== "bigint" && value.length <= 10_000_000) return [...value]
  if (value instanceof Series || value instanceof Index || value instanceof PyArray || value instanceof PyColumn) {
    return [...value]
  }
  return undefined
}

/**
 * A list of items: from a list, tuple, deque, set, range, array, Series or Index.
 *
 * @category combinators
 * @since 0.1.0
 */
export const list = <S extends Schema.Constraint>(item: S) =>
  from(
    Schema.Array(item),
    "a list",
    (value) => itemsOf(value) as ReadonlyArray<S["Encoded"]> | undefined,
    (value) => value
  )

/**
 * A set of items: from a set, a frozenset, or a list that represents one in JSON.
 *
 * @category combinators
 * @since 0.1.0
 */
export const set = <S extends Schema.Constraint>(item: S) =>
  from(
    Schema.ReadonlySet(item),
    "a set",
    (value) => {
      const items = value instanceof Set || Array.isArray(value) ? [...value as Iterable<S["Encoded"]>] : undefined
      return items === undefined ? undefined : new Set(items)
    },
    (value) => value
  )

/**
 * A dict as a Map, whose keys need not be text.
 *
 * @category combinators
 * @since 0.1.0
 */
export const dict = <K extends Schema.Constraint, V extends Schema.Constraint>(key: K, value: V) =>
  from(
    Schema.ReadonlyMap(key, value),
    "a dict",
    (input) => {
      if (input instanceof Map) return new Map(input as Map<K["Encoded"], V["Encoded"]>)
      const isPlain = isDict(input) ||
        (typeof input === "object" && input !== null && Object.getPrototypeOf(input) === Object.prototype)
      return isPlain ? new Map(Object.entries(input)) as Map<K["Encoded"], V["Encoded"]> : undefined
    },
    (map) => map
  )

/**
 * A table as its rows: from a `Table`, whatever format it was stored in, or from a list of dicts.
 *
 * A missing value is `null` in its row.
 *
 * @category combinators
 * @since 0.1.0
 */
export const table = <S extends Schema.Constraint>(row: S) =>
  from(
    Schema.Array(row),
    "a table",
    (value) => {
      const rows = value instanceof Table
        ? value.toRows()
        : value instanceof DataFrame
        ? fromDataFrame(value).toRows()
        : value
      return Array.isArray(rows) ? rows as ReadonlyArray<S["Encoded"]> : undefined
    },
    (rows) => rows
  )

/**
 * The value of an Enum's member, whether the pickle contains the class or only its name.
 *
 * @category combinators
 * @since 0.1.0
 */
export const enumValue = <S extends Schema.Constraint>(value: S) =>
  from(
    value,
    "a member of an Enum",
    (input) =>
      (input instanceof PyEnum
        ? input.value
        : input instanceof PyObject && input.args.length === 1
        ? input.args[0]
        : input) as
          | S["Encoded"]
          | undefined,
    (encoded) => encoded
  )

/**
 * The attributes of an object of the Python class `module.Name`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const instance = <S extends Schema.Constraint>(className: string, attributes: S) =>
  from(
    attributes,
    `an object of ${className}`,
    (value) =>
      value instanceof PyObject && value.className === className
        ? Object.fromEntries(value.attributes()) as S["Encoded"]
        : undefined,
    (encoded) => encoded
  )

/**
 * The JSON projection of any value, as input for a schema.
 *
 * @category combinators
 * @since 0.1.0
 */
export const projected = <S extends Schema.Constraint>(schema: S) =>
  Schema.Unknown.pipe(
    Schema.decodeTo(
      schema,
      SchemaTransformation.transformEffect<S["Encoded"], unknown>({
        decode: (value) =>
          Effect.mapError(
            JsonProjection.toJson(originalOf(value)),
            () => new SchemaIssue.InvalidValue({ expected: "a value that has a JSON projection" })
          ) as Effect.Effect<S["Encoded"], SchemaIssue.Issue>,
        encode: (value) => Effect.succeed(value)
      })
    )
  )

const decodeOptions = { reportInput: true } as const

/**
 * Decodes a result with a schema.
 *
 * **Details**
 *
 * The schema first receives the value itself. If it rejects that, it receives a copy in which objects of Python classes
 * are plain objects of their attributes (so that `Schema.Struct({ x, y })` reads an object with `x` and `y`), tables
 * are their rows, members of Enums and NumPy scalars their value, and named tuples objects of their fields.
 *
 * Fails with a `FormatError` that names each position, what was expected there and the type that was found, e.g.
 * `[3].amount: expected Decimal, found a string`. It never contains the value.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = <S extends Schema.ConstraintDecoder<unknown, unknown>>(
  schema: S
): (value: unknown) => Effect.Effect<S["Type"], FormatError, S["DecodingServices"]> => {
  const attempt = Schema.decodeUnknownEffect(schema, decodeOptions)
  return (value) =>
    Effect.catch(attempt(value), (error) => {
      const objects = plainer(value, false)
      const fields = plainer(value, true)
      const failed = (issue: SchemaIssue.Issue) => Effect.fail(undecodable(describeIssue(issue)))
      if (fields === undefined) return failed(error.issue)
      if (objects === undefined) return Effect.catch(attempt(fields.value), () => failed(error.issue))
      return Effect.catch(
        attempt(objects.value),
        (second) => Effect.catch(attempt(fields.value), () => failed(second.issue))
      )
    })
}

/**
 * Describes an issue in a sentence that names each position and what was expected there. It never contains the value.
 *
 * @category formatting
 * @since 0.1.0
 */
export const describeIssue: (issue: SchemaIssue.Issue) => string = SchemaIssues.describeIssue
