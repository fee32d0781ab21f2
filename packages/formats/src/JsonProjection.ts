/**
 * The JSON projection: any Python value as JSON, the same for every format in which the value was stored.
 *
 * | Python | JSON |
 * |---|---|
 * | None, bool, str | null, boolean, string |
 * | int | number within ±(2^53-1), else string |
 * | float | number; NaN and the infinities are null |
 * | Decimal, UUID, Fraction, complex, Path, IP address, Period, Interval | string |
 * | bytes, bytearray | string, base64 with padding |
 * | date, time, datetime, Timestamp | string, ISO 8601 with the offset |
 * | datetime in a zone that is not known | `{"__class__": "datetime.datetime", "value": …, "tzinfo": …}` |
 * | time zone | string, its name |
 * | timedelta, Timedelta | number of seconds |
 * | tuple, list, deque, range, set, array, Series, Index | array |
 * | NumPy array | nested arrays |
 * | dict, mappingproxy, UserDict, a subclass of dict that holds nothing else | object, keys as Python's `str(key)`, of equal keys the last |
 * | DataFrame and every other table | array of row objects; NaN, NaT and NA are null |
 * | geometry | object, GeoJSON |
 * | Enum, named tuple | its value, an array, where its class is known |
 * | an object of another class | `{"__class__": "module.Name", "__args__": […] when it has any, …its attributes}` |
 * | a class or function | string, `module.name` |
 *
 * **Example** (A value as data and as text)
 *
 * ```ts
 * import { JsonProjection } from "@effect-prefect/formats"
 * import { Effect } from "effect"
 *
 * export const json = JsonProjection.toJson({ answer: 42n, ratio: Infinity }) // {"answer":42,"ratio":null}
 * export const text = Effect.runPromise(JsonProjection.toText([1n, 2n]))
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { type FormatError, undecodable } from "./FormatError.ts"
import { heapLimit } from "./internal/node.ts"
import { failure } from "./internal/projection/failure.ts"
import { project } from "./internal/projection/level.ts"
import { flat, type Json, TextSink, ValueSink } from "./internal/projection/sinks.ts"
import { checkNames, nowhere, type Options, TooManyValues, walk } from "./internal/projection/walk.ts"
import { giveWay, type Steps, toEnd } from "./internal/steps.ts"
import { Table } from "./Table.ts"

export type { Json } from "./internal/projection/sinks.ts"
export type { Options } from "./internal/projection/walk.ts"

/**
 * The projection of a value, as plain JavaScript data.
 *
 * @category projecting
 * @since 0.1.0
 */
export const toJson = (value: unknown, options?: Options): Effect.Effect<Json, FormatError> =>
  Effect.suspend(() => {
    const sink = new ValueSink()
    return Effect.map(
      giveWay(() => walk(value, sink, { ...options, maxValues: options?.maxValues ?? dataValues }), failure),
      () => sink.root
    )
  })

/** The values of a projection that is kept as a whole, of which each takes one to four words of the heap. */
const dataValues = Math.min(2 ** 26, Math.floor(heapLimit / 32))

/**
 * The projection of a value, made without giving way to other work: for cells of tables and other small values. Throws a
 * `FormatError` where `toJson` fails with one.
 *
 * **Example** (Projecting a small value)
 *
 * ```ts
 * import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
 *
 * JsonProjection.toJsonSync(new Map([["x", 9007199254740993n]])) // { x: "9007199254740993" }
 * ```
 *
 * @category projecting
 * @since 0.1.0
 */
export const toJsonSync = (value: unknown, options?: Options): Json => {
  const sink = new ValueSink()
  try {
    toEnd(walk(value, sink, options))
  } catch (error) {
    throw failure(error)
  }
  return sink.root
}

/** The least characters of a piece of text but the last. */
const pieceLength = 65_536

/** The number of steps after which a piece may be shorter. */
const stepsAtOnce = 16

/** The most characters of one text: a quarter of the heap, or what a string can have. */
const defaultMaxLength = Math.min(2 ** 29 - 24, Math.floor(heapLimit / 4))

/**
 * The limits of a projection that is one text.
 *
 * @category models
 * @since 0.1.0
 */
export interface TextOptions extends Options {
  /**
   * The most characters. A few bytes can refer to one text any number of times. Default: a quarter of the heap that V8 may
   * use (`--max-old-space-size`), and at most as many as a string can have.
   */
  readonly maxLength?: number | undefined
}

/**
 * The projection of a value as JSON text on one line. For a large value, use `toChunks`: the engine copies a text of 100 MB
 * into one piece when it is first read or encoded, which takes 60 ms.
 *
 * @category projecting
 * @since 0.1.0
 */
export const toText = (value: unknown, options?: TextOptions): Effect.Effect<string, FormatError> =>
  Effect.suspend(() => giveWay(() => text(value, options), failure))

/**
 * The projection of a small value as JSON text on one line, without an Effect: for many results. Undefined when it takes more
 * than a moment: `toText` then makes it. Throws a `FormatError` where `toText` fails with one.
 *
 * **Example** (Many small values)
 *
 * ```ts
 * import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
 *
 * JsonProjection.toTextAtOnce([1n, 2n]) // "[1,2]"
 * ```
 *
 * @category projecting
 * @since 0.1.0
 */
export const toTextAtOnce = (value: unknown, options?: TextOptions): string | undefined => {
  try {
    const step = text(value, options).next()
    return step.done === true ? step.value : undefined
  } catch (error) {
    throw failure(error)
  }
}

const tooLong = (maxLength: number): FormatError =>
  undecodable(
    `its JSON is longer than one text may be, which is ${maxLength} characters: take it in pieces with JsonProjection.toChunks`
  )

function* text(value: unknown, options: TextOptions | undefined): Steps<string> {
  const maxLength = options?.maxLength ?? defaultMaxLength
  const sink = new TextSink()
  // Joining an array of pieces would copy all of them in one step, even for a caller that never reads the text.
  let whole = ""
  for (const step of walk(value, sink, options)) {
    if (sink.text.length >= pieceLength) {
      whole += flat(sink.text)
      sink.text = ""
      if (whole.length > maxLength) throw tooLong(maxLength)
    }
    yield step
  }
  if (whole.length + sink.text.length > maxLength) throw tooLong(maxLength)
  return whole + sink.text
}

/**
 * The projection of a value as pieces of JSON text, made on demand, so that a large table is never in memory twice. A piece
 * is empty while a value takes long of which there is no text yet.
 * Throws a `FormatError` where `toText` fails with one: pass it to `Stream.fromIterable` behind `Effect.try`, or call
 * `validate` first if nothing may be written of a value that has no projection.
 *
 * @category projecting
 * @since 0.1.0
 */
export function* toChunks(value: unknown, options?: Options): Generator<string, void> {
  const sink = new TextSink()
  try {
    let taken = 0
    for (const _ of walk(value, sink, options)) {
      if (sink.text.length < pieceLength) {
        if (++taken % stepsAtOnce === 0) yield ""
        continue
      }
      yield flat(sink.text)
      sink.text = ""
    }
  } catch (error) {
    throw failure(error)
  }
  yield sink.text
}

/**
 * The projection of a table's rows, or of a list's items, as pieces of JSON Lines, made on demand; of any other value one
 * line. Throws a `FormatError` as `toChunks` does. `maxValues` limits all lines together and is 2^28 by default. It
 * limits, too, the characters of column names of more than 1 024 characters that all lines repeat, before the first line.
 *
 * **Example** (Writing rows)
 *
 * ```ts
 * import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
 *
 * Array.from(JsonProjection.toLines([1, { a: 2 }])).join("") // "1\n{\"a\":2}\n"
 * ```
 *
 * @category projecting
 * @since 0.1.0
 */
export function* toLines(value: unknown, options?: Options): Generator<string, void> {
  const maxValues = options?.maxValues ?? defaultLineValues
  let left = maxValues
  let out = ""
  let taken = 0
  try {
    if (value instanceof Table) checkNames(value, maxValues)
    for (const item of value instanceof Table ? value.rows() : Array.isArray(value) ? value : [value]) {
      const sink = new TextSink()
      const steps = walk(item, sink, { ...options, maxValues: left })
      let step = steps.next()
      for (; step.done !== true; step = steps.next()) {
        out += sink.text
        sink.text = ""
        if (++taken % stepsAtOnce !== 0 && out.length < pieceLength) continue
        yield flat(out)
        out = ""
      }
      left -= step.value
      out += `${sink.text}\n`
      if (out.length < pieceLength) continue
      yield flat(out)
      out = ""
    }
  } catch (error) {
    // What a line may still have is not what all of them may.
    throw failure(error instanceof TooManyValues ? new TooManyValues(maxValues) : error)
  }
  yield out
}

const defaultLineValues = 2 ** 28

/**
 * One level of a projection: a value that is not a container, or the items or entries of one, which are not projected
 * yet.
 *
 * @category models
 * @since 0.1.0
 */
export type Level =
  | { readonly _tag: "Scalar"; readonly value: null | boolean | number | string }
  | { readonly _tag: "Array"; readonly items: ReadonlyArray<unknown> | Iterable<unknown> }
  | { readonly _tag: "Object"; readonly keys: ReadonlyArray<string>; readonly items: Items }

/**
 * The items of an object by the positions of their keys: an array, or made on demand for an object of many keys.
 *
 * @category models
 * @since 0.1.0
 */
export interface Items extends Iterable<unknown> {
  readonly length: number
  readonly at: (index: number) => unknown
}

/** Items that are made on demand. */
class MadeItems implements Items {
  readonly length: number
  readonly #make: (index: number) => unknown

  constructor(length: number, make: (index: number) => unknown) {
    this.length = length
    this.#make = make
  }

  at(index: number): unknown {
    const place = index < 0 ? index + this.length : index
    return place >= 0 && place < this.length ? this.#make(place) : undefined
  }

  *[Symbol.iterator](): IterableIterator<unknown> {
    for (let at = 0; at < this.length; at++) yield this.#make(at)
  }
}

/**
 * The first level of a value's projection, for showing a large value level by level. Its items can be passed to `level`
 * in turn. Throws a `FormatError` when the `toJSON` of a value fails. A key that was deleted from an object of more than
 * 32 768 keys since its decoding is still listed, with an undefined item.
 *
 * @category projecting
 * @since 0.1.0
 */
export const level = (value: unknown): Level => {
  try {
    const projected = project(value)
    if (typeof projected !== "object" || projected === null) return { _tag: "Scalar", value: projected }
    const { at, items, iterator, keys } = projected
    if (keys !== null) {
      return {
        _tag: "Object",
        keys,
        items: items ?? new MadeItems(keys.length, at!)
      }
    }
    return { _tag: "Array", items: items ?? { [Symbol.iterator]: () => iterator! } }
  } catch (error) {
    throw failure(error)
  }
}

/**
 * Checks that a value has a projection. Fails like `toJson`, and creates nothing.
 *
 * @category projecting
 * @since 0.1.0
 */
export const validate = (value: unknown, options?: Options): Effect.Effect<void, FormatError> =>
  Effect.asVoid(giveWay(() => walk(value, nowhere, options), failure))
