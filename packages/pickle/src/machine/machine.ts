// Measured: bench/pickle.bench.ts
/**
 * The state of one run of the pickle machine, and the instructions that need not be fast.
 *
 * @since 0.1.0
 */
import { largeCall } from "../classes/large.ts"
import { largeDTypeState } from "../classes/numpy.ts"
import { type Context, inert } from "../context.ts"
import { exceeded, fail, PickleError } from "../errors.ts"
import { manyKeys, rememberKeys } from "../objectKeys.ts"
import { type ClassDecoder, type Limits, limitsFor, type LoadsOptions } from "../options.ts"
import { decoderOf, finisherOf, isKnownReference, keepState, stateSetterOf } from "../registry.ts"
import { ByteArray, Counter, Deque, FrozenSet, OrderedDict, PyDict, PySet, Tuple } from "../values/containers.ts"
import { Dict } from "../values/dict.ts"
import { type EqualityBudget } from "../values/equality.ts"
import { floatFromText, integerFromText, intFromText, longFromBytes, shrink } from "../values/integers.ts"
import type { PyInt } from "../values/numbers.ts"
import { PyFloat } from "../values/numbers.ts"
import { appendItem, appendPair, appendState, isDict, PyEnum, PyGlobal, PyObject } from "../values/objects.ts"
import {
  decodeBytes,
  decodeBytesSteps,
  latin1Text,
  rawUnicodeEscape,
  rawUnicodeEscapeSteps,
  readUtf8,
  stringEscape,
  stringEscapeSteps,
  type TextReader,
  textReader
} from "../values/text.ts"
import { renamed } from "./python2Names.ts"

const lookup = <A>(
  from: Readonly<Record<string | number, A>> | ReadonlyMap<string | number, A> | undefined,
  key: string | number
): A | undefined => {
  if (from === undefined) return undefined
  if (from instanceof Map) return (from as ReadonlyMap<string | number, A>).get(key)
  const record = from as Readonly<Record<string | number, A>>
  return Object.hasOwn(record, key) ? record[key] : undefined
}

const scratch = new Float64Array([2])
const scratchBytes = new Uint8Array(scratch.buffer)
const littleEndian = scratchBytes[7] === 0x40

/** Bytes of memory, estimated: an object with its attributes or a set; any other value. */
const objectWeight = 256
const smallWeight = 48

/** A Python 2 string of more bytes is decoded in steps. */
const longString = 0x40000

/** The longest line of a number or a name, which is read at once. */
const maxLine = 0x400000

/** The bytes in which a newline is searched one by one: a call of `indexOf` costs as much. */
const nearNewline = 32

/**
 * Keys of all dict objects together from which on those of each are counted, and how many more one may have. V8 numbers
 * the keys of an object with 23 bits: from then on it numbers all of them anew for each further key.
 */
const fewKeys = 2 ** 22
const moreKeys = 2 ** 22 - 2 ** 17

/** Places of the stack that are told apart, and keys that are set one by one at one of them before they are listed. */
const places = 64
const manySingle = 8_192

/** Keys of a dict object that becomes a PyDict in one step. */
const fewListed = 8_192

/** Counts that are kept of dict objects at once, and the smallest that are worth it. */
const maxCounts = 65_536
const smallCount = 4_096

/**
 * Items that V8 makes an array for at once: of more it makes a hash table, and it ends the process when an array becomes
 * longer than it can hold.
 *
 * @internal
 */
export const maxItems = 0x2000000

/** @internal */
export class Machine implements Context {
  /**
   * One instance of each object whose hidden class is embedded in the compiled code of a hot loop. V8 discards such
   * code when a garbage collection finds no living instance, which is usual between two pickles; the next pickle would
   * then run interpreted.
   */
  static readonly shapes: Array<object> = []
  readonly bytes: Uint8Array
  private dataView: DataView | null = null
  readonly text: TextReader
  readonly options: LoadsOptions
  readonly limits: Limits
  /** Fewer than `maxItems` only where a test could not have as many. */
  readonly maxItems: number
  readonly equality: EqualityBudget
  readonly typedFloats: boolean
  readonly bigintsOnly: boolean
  readonly mapsOnly: boolean
  readonly copyBytes: boolean
  /** The offset of the next instruction. */
  p: number
  /** The offset of the current instruction. */
  at: number
  readonly stack: Array<unknown> = [
    null,
    null,
    null,
    null,
    null,
    null,
    null,
    null,
    null,
    null,
    null,
    null,
    null,
    null,
    null,
    null
  ]
  sp = 0
  readonly marks: Array<number> = []
  /** The stack's height at the innermost mark: values below it cannot be taken. */
  fence = 0
  /** The memo, as long as its indexes have no gaps. */
  memo: Array<unknown> = []
  /** The memo's entries after a gap. */
  sparse: Map<number, unknown> | null = null
  protocol = 0
  /** Objects that were replaced after they were memoized: dicts whose keys turned out not to be strings. */
  forward: Map<unknown, unknown> | null = null
  /** The number of containers fetched from the memo: only then can a replaced object be referenced elsewhere. */
  shared = 0
  /** An upper bound of the nesting depth that the stack's height does not show. */
  wraps = 0
  height = 0
  instructions = 0
  /** The estimated memory of the values beside a word for each instruction. */
  weight = 0
  /** The memory that the values are known to take at least once the next instructions are done. */
  least = 0
  /** An instruction on very many values that continues between calls of `run`. */
  pending: Generator<undefined, void> | null = null
  /** Fingerprints of the first keys of dicts, and the number of dicts whose first key was not seen before. */
  firstKeys: Uint32Array | null = null
  novel = 0
  /** All keys of such dict objects, which V8 takes long to list; none where the machine does not run in steps. */
  private keyLists: Map<object, Array<string>> | null = null
  /** The number of single keys that were set at each place of the stack, or at several. */
  private readonly single: Uint32Array | null
  /** The number of keys that were set on dict objects, and on each of them from `fewKeys` on. */
  private keys = 0
  private keyCounts: Map<object, number> | null = null
  private repetition: number
  private buffers: Iterator<Uint8Array> | null | undefined
  private globals: Map<string, PyGlobal> | null = null
  private owners: Map<unknown, ClassDecoder> | null = null

  constructor(bytes: Uint8Array, start: number, options: LoadsOptions, items = maxItems, inSteps = false) {
    this.bytes = bytes
    this.maxItems = items
    this.single = inSteps ? new Uint32Array(places) : null
    this.text = textReader(bytes, options.strings !== "separate")
    this.options = options
    this.limits = limitsFor(bytes.length, options.limits)
    this.repetition = this.limits.repetition
    this.equality = { left: this.limits.equalityWork, max: this.limits.equalityWork }
    this.typedFloats = options.floats === "typed"
    this.bigintsOnly = options.integers === "bigint"
    this.mapsOnly = options.dicts === "map"
    this.copyBytes = options.bytes === "copy"
    this.p = start
    this.at = start
  }

  get view(): DataView {
    return this.dataView ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length)
  }

  /** Eight bytes, big endian. */
  float64(at: number): number {
    const { bytes } = this
    // Making a DataView takes longer than reading a few floats.
    if (this.dataView !== null || bytes.length > 2_048) return this.view.getFloat64(at)
    for (let i = 0; i < 8; i++) scratchBytes[littleEndian ? 7 - i : i] = bytes[at + i]!
    return scratch[0]!
  }

  charge(cost: number): void {
    if ((this.repetition -= cost) < 0) {
      exceeded("repetition", "too much fetched from the memo or copied", this.limits.repetition)
    }
  }

  /** The estimated memory of the values so far and of those that are known to come, in bytes. */
  get memory(): number {
    return Math.max(this.least, this.weight + 8 * this.instructions)
  }

  /** Fails when the values take too much memory. */
  weigh(): void {
    if (this.memory > this.limits.memory) exceeded("memory", "values that take too much memory", this.limits.memory)
  }

  integer(value: PyInt): PyInt {
    return this.bigintsOnly ? BigInt(value) : value
  }

  push(value: unknown): void {
    this.stack[this.sp++] = value
  }

  underflow(): never {
    return this.marks.length > 0 && this.sp > 0
      ? fail("StackUnderflow", "a MARK where a value should be", "a value")
      : fail("StackUnderflow", "nothing on the stack", "a value")
  }

  pop(): unknown {
    if (this.sp <= this.fence) this.underflow()
    return this.stack[--this.sp]
  }

  top(): unknown {
    if (this.sp <= this.fence) this.underflow()
    return this.stack[this.sp - 1]
  }

  /** Removes the innermost mark and returns its position. */
  mark(): number {
    const { marks } = this
    if (marks.length === 0) fail("MissingMark", "no MARK on the stack", "a MARK")
    const at = marks.pop()!
    this.fence = marks.length === 0 ? 0 : marks[marks.length - 1]!
    return at
  }

  need(size: number): number {
    const at = this.p
    if (at + size > this.bytes.length) fail("Truncated", "the end of the input", `${size} more bytes`)
    this.p = at + size
    return at
  }

  /** Eight bytes of length; the input cannot be longer than 2^53. */
  length8(): number {
    const at = this.need(8)
    // Most small pickles have a single frame, for which making a DataView takes a tenth of their time.
    return this.uint32(at) + this.uint32(at + 4) * 4294967296
  }

  private uint32(at: number): number {
    const { bytes } = this
    return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  }

  /** The newline of a line that is a number or a name; moves behind it. */
  private shortLine(): number {
    const end = this.bytes.indexOf(10, this.p)
    if (end < 0) return fail("Truncated", "the end of the input", "a newline")
    if (end - this.p > maxLine) {
      throw new PickleError({
        reason: "LimitExceeded",
        found: `a number or a name in a line of ${end - this.p} bytes`,
        expected: `at most ${maxLine}`
      })
    }
    this.p = end + 1
    return end
  }

  /** A line without its newline. */
  line(): string {
    const start = this.p
    return latin1Text(this.bytes, start, this.shortLine())
  }

  /** A line with a number, which Python's C code treats as a string that ends at a zero byte. */
  private numberLine(): string {
    const text = this.line()
    const zero = text.indexOf("\0")
    return zero < 0 ? text : text.slice(0, zero)
  }

  utf8Line(): string {
    const start = this.p
    return readUtf8(this.text, start, this.shortLine())
  }

  bytesAt(start: number, length: number): Uint8Array {
    // `Uint8Array.prototype.subarray` would return a Buffer for a Buffer.
    const { bytes } = this
    return this.copyBytes
      ? new Uint8Array(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + start + length))
      : new Uint8Array(bytes.buffer, bytes.byteOffset + start, length)
  }

  /** A Python 2 string in the representation that the options select. */
  string2(bytes: Uint8Array): unknown {
    const { encoding = "ASCII", errors = "strict" } = this.options
    return encoding === "bytes" ? bytes : decodeBytes(bytes, encoding, errors)
  }

  memoSize(): number {
    return this.memo.length + (this.sparse?.size ?? 0)
  }

  put(index: number, value: unknown): void {
    const { memo, limits } = this
    if (index < memo.length) {
      memo[index] = value
      return
    }
    if (this.memoSize() >= limits.memo && this.sparse?.has(index) !== true) {
      exceeded("memo", "too many memo entries", limits.memo)
    }
    if (index > memo.length) {
      ;(this.sparse ??= new Map()).set(index, value)
      return
    }
    memo.push(value)
    // The gap may be closed now.
    while (this.sparse !== null && this.sparse.has(memo.length)) {
      const next = memo.length
      memo.push(this.sparse.get(next))
      this.sparse.delete(next)
      if (this.sparse.size === 0) this.sparse = null
    }
  }

  /** As in MEMOIZE. */
  remember(value: unknown): void {
    if (this.sparse === null && this.memo.length < this.limits.memo) this.memo.push(value)
    else this.put(this.memoSize(), value)
  }

  get(index: number): void {
    this.push(this.fetch(index))
  }

  /** A value from the memo. */
  fetch(index: number): unknown {
    let value: unknown
    if (index < this.memo.length) value = this.memo[index]
    else if (this.sparse?.has(index) === true) value = this.sparse.get(index)
    else fail("MissingMemo", `no memo entry ${index}`, "an entry that was put before")
    if (typeof value !== "string") return this.again(value)
    if ((this.repetition -= value.length) < 0) this.charge(0)
    return value
  }

  /** Counts a value that is used again against the limits. */
  again(given: unknown): unknown {
    let value = given
    if (typeof value === "string") this.charge(value.length)
    else if (typeof value === "object" && value !== null && !(value instanceof PyGlobal)) {
      if (this.shared++ === 0) this.options.onShared?.()
      this.wraps++
      if (value instanceof Uint8Array) this.charge(value.length)
      if (this.forward !== null) {
        for (let next = this.forward.get(value); next !== undefined; next = this.forward.get(value)) value = next
      }
    }
    return value
  }

  /** Records that a value on the stack was replaced by another one. */
  replace(old: unknown, value: unknown): void {
    ;(this.forward ??= new Map()).set(old, value)
  }

  // Classes

  /** The module and the name of GLOBAL and INST, each a non-empty line. */
  private globalLines(): PyGlobal {
    const module = this.utf8Line()
    const name = module === "" ? "" : this.utf8Line()
    if (name === "") return fail("Truncated", "an empty line", "the name of a module, and one of a class")
    return this.findGlobal(module, name)
  }

  findGlobal(module: string, name: string): PyGlobal {
    const [realModule, realName] = this.protocol < 3 && this.options.fixImports !== false
      ? renamed(module, name)
      : [module, name]
    const key = `${realModule}\n${realName}`
    const globals = this.globals ??= new Map()
    let global = globals.get(key)
    if (global === undefined) {
      global = new PyGlobal(realModule, realName)
      if (
        this.options.unknown === "refuse" && lookup(this.options.classes, global.qualifiedName) === undefined &&
        !isKnownReference(global)
      ) {
        fail("Refused", `the unknown class ${global.qualifiedName}`, "a class that the options or this package know")
      }
      this.options.onGlobal?.(global)
      globals.set(key, global)
    }
    return global
  }

  pushGlobal(module: string, name: string): void {
    this.pushReference(this.findGlobal(module, name))
  }

  private pushReference(global: PyGlobal): void {
    const own = decoderOf(global)
    this.push(own?.constant === undefined ? global : own.constant)
  }

  /** The result of a call of a class or function. */
  construct(callable: unknown, args: ReadonlyArray<unknown>, kwargs: unknown): unknown {
    if (callable instanceof PyGlobal) {
      const given = lookup(this.options.classes, callable.qualifiedName)
      if (given !== undefined) {
        const value = given.create(args, kwargs, callable)
        if (typeof value === "object" && value !== null) (this.owners ??= new Map()).set(value, given)
        return value
      }
      const create = decoderOf(callable)?.create
      if (create !== undefined) {
        const value = create(this, args, kwargs, callable)
        if (value !== inert) return value
      }
      return new PyObject(callable, args, kwargs)
    }
    if (callable instanceof PyObject) {
      const global = this.computed(callable)
      if (global !== null) {
        const create = decoderOf(global)?.create
        const value = create === undefined ? inert : create(this, args, kwargs, global)
        if (value !== inert) return value
      }
      const create = decoderOf(callable)?.create
      if (create !== undefined) {
        const value = create(this, args, kwargs, callable)
        if (value !== inert) return value
      }
      this.wraps++
      return new PyObject(callable, args, kwargs)
    }
    return fail("BadValue", "the called object is not a class or function", "a class or function")
  }

  /** `getattr(Class, "name")`, which older protocols use for names inside a class. */
  private computed(callable: PyObject): PyGlobal | null {
    const [owner, name] = callable.args
    if (
      callable.class instanceof PyGlobal && callable.class.qualifiedName === "builtins.getattr" &&
      owner instanceof PyGlobal && typeof name === "string" && callable.args.length === 2
    ) return new PyGlobal(owner.module, `${owner.name}.${name}`)
    return null
  }

  reduce(): void {
    const args = this.pop()
    const callable = this.pop()
    if (!(args instanceof Tuple)) return fail("BadValue", "arguments that are not a tuple", "a tuple")
    this.wraps++
    if (callable instanceof PyGlobal && lookup(this.options.classes, callable.qualifiedName) === undefined) {
      const steps = largeCall(this, callable, args, (dict) => this.keyLists?.get(dict))
      if (steps !== undefined) {
        this.pending = this.finished(steps)
        return
      }
    }
    this.push(this.construct(callable, args, null))
  }

  /** Pushes the result of some steps. */
  private *finished(steps: Generator<undefined, unknown>): Generator<undefined, void> {
    this.push(yield* steps)
  }

  /** A Python 2 string with escapes. */
  private *escapedSteps(content: Uint8Array): Generator<undefined, unknown> {
    const { encoding = "ASCII", errors = "strict" } = this.options
    const bytes = yield* stringEscapeSteps(content)
    return encoding === "bytes" ? bytes : yield* decodeBytesSteps(bytes, encoding, errors)
  }

  /** The newline of the line that begins here; undefined when the line is long. */
  private nearNewline(): number | undefined {
    const { bytes, p } = this
    for (let at = p; at < p + nearNewline; at++) if (bytes[at] === 10) return at
    const found = bytes.subarray(p, p + longString).indexOf(10)
    return found < 0 ? undefined : p + found
  }

  /** The offset of a byte in a range, or -1, in steps. */
  private *find(byte: number, start: number, end: number): Generator<undefined, number> {
    for (let at = start; at < end; at += longString) {
      const found = this.bytes.subarray(at, Math.min(end, at + longString)).indexOf(byte)
      if (found >= 0) return at + found
      yield
    }
    return -1
  }

  /** The newline of the line that begins here, in steps; moves behind it. */
  private *farNewline(): Generator<undefined, number> {
    const end = yield* this.find(10, this.p, this.bytes.length)
    if (end < 0) return fail("Truncated", "the end of the input", "a newline")
    this.p = end + 1
    return end
  }

  /** Pushes the text of a line, in steps when it is long. */
  private unicodeLine(): void {
    if (this.nearNewline() === undefined) this.pending = this.finished(this.longUnicodeLine())
    else this.push(rawUnicodeEscape(this.line()))
  }

  private *longUnicodeLine(): Generator<undefined, unknown> {
    const start = this.p
    const end = yield* this.farNewline()
    return yield* rawUnicodeEscapeSteps(this.bytes.subarray(start, end))
  }

  /** Pushes the Python 2 string of a quoted line, in steps when it is long. */
  private quotedLine(): void {
    const start = this.p
    const end = this.nearNewline()
    if (end === undefined) {
      this.pending = this.finished(this.longQuotedLine())
      return
    }
    this.p = end + 1
    const content = this.quoted(start, end)
    if (!content.includes(0x5c)) return this.push(this.string2(this.bytesAt(start + 1, end - start - 2)))
    this.push(this.string2(stringEscape(latin1Text(content, 0, content.length))))
  }

  private *longQuotedLine(): Generator<undefined, unknown> {
    const start = this.p
    const end = yield* this.farNewline()
    const content = this.quoted(start, end)
    if ((yield* this.find(0x5c, start, end)) >= 0) return yield* this.escapedSteps(content)
    const { encoding = "ASCII", errors = "strict" } = this.options
    const bytes = this.bytesAt(start + 1, end - start - 2)
    return encoding === "bytes" ? bytes : yield* decodeBytesSteps(bytes, encoding, errors)
  }

  /** The bytes of a line between its quotes. */
  private quoted(start: number, end: number): Uint8Array {
    const quote = this.bytes[start]
    if (end - start < 2 || (quote !== 0x27 && quote !== 0x22) || this.bytes[end - 1] !== quote) {
      fail("BadText", "a string without its quotes", "a quoted string")
    }
    return this.bytes.subarray(start + 1, end - 1)
  }

  /** Pushes a Python 2 string in the representation that the options select, in steps when it is long. */
  private pushString2(bytes: Uint8Array): void {
    const { encoding = "ASCII", errors = "strict" } = this.options
    if (bytes.length <= longString || encoding === "bytes") return this.push(this.string2(bytes))
    this.pending = this.finished(decodeBytesSteps(bytes, encoding, errors))
  }

  build(): void {
    const state = this.pop()
    const target = this.top()
    this.wraps++
    const owner = this.owners?.get(target)
    if (owner !== undefined) {
      if (owner.setState === undefined) keepState(target as object, state)
      else owner.setState(target, state)
      return
    }
    if (target instanceof PyObject) {
      appendState(target, state)
      const finish = finisherOf(target)
      if (finish !== undefined) {
        const value = finish(this, target)
        if (value !== inert) {
          this.stack[this.sp - 1] = value
          this.replace(target, value)
        }
      }
      return
    }
    if (typeof target === "object" && target !== null) {
      const setter = stateSetterOf(target)
      if (setter !== undefined) {
        const steps = largeDTypeState(target, state)
        if (steps !== undefined) this.pending = steps
        else setter(this, target, state)
        return
      }
      if (
        target instanceof OrderedDict || target instanceof Counter || target instanceof PyEnum ||
        target instanceof PyGlobal
      ) {
        // These have attributes in Python, but no place for them here.
        const isState = isDict(state) || (state instanceof Tuple && state.length === 2)
        if (!isState && state !== null) fail("BadValue", "a state that is not a dict", "a dict, or a tuple of two")
        if (state !== null) keepState(target, state)
        return
      }
    }
    if (state !== null) fail("BadValue", "a state for a value that has no attributes", "an object")
  }

  append(target: unknown, item: unknown): void {
    if (Array.isArray(target) && !(target instanceof Tuple)) {
      target.push(item)
      if (target instanceof Deque && target.maxlen !== null && target.length > target.maxlen) target.shift()
      return
    }
    const owner = this.owners?.get(target)
    if (owner?.append !== undefined) owner.append(target, item)
    else if (target instanceof PyObject) appendItem(target, item)
    else fail("BadValue", "items for a value that is not a list", "a list")
  }

  setItem(target: unknown, key: unknown, value: unknown): void {
    const owner = this.owners?.get(target)
    if (owner?.setItem !== undefined) owner.setItem(target, key, value)
    else if (target instanceof PyDict) target.insert(key, value, this.equality)
    else if (target instanceof PyObject) appendPair(target, key, value)
    else if (
      Array.isArray(target) && !(target instanceof Tuple) && typeof key === "number" && key >= -target.length &&
      key < target.length
    ) {
      target[key < 0 ? key + target.length : key] = value
    } else if (
      target instanceof ByteArray && typeof key === "number" && key >= 0 && key < target.length &&
      typeof value === "number"
    ) {
      target[key] = value
    } else fail("BadValue", "entries for a value that is not a dict", "a dict")
  }

  /** Counts keys that were set on a dict object, which fails when it has more than an object can hold. */
  grown(dict: object, count: number): void {
    if ((this.keys += count) > fewKeys) this.countKeys(dict, count)
  }

  private countKeys(dict: object, count: number): void {
    const counts = this.keyCounts ??= new Map()
    const now = (counts.get(dict) ?? 0) + count
    counts.set(dict, now)
    if (now > moreKeys) {
      throw new PickleError({
        reason: "LimitExceeded",
        found: "a dict of more keys than an object of this JavaScript engine can hold",
        expected: "at most about eight million keys that are all texts"
      })
    }
    if (counts.size > maxCounts) {
      for (const [each, known] of counts) if (known < smallCount) counts.delete(each)
    }
  }

  /**
   * The list to which the keys that a dict object is about to get must be added; null when none is kept for it. One begins
   * with many keys at once.
   */
  keyList(dict: object, isMany: boolean): Array<string> | null {
    if (this.single === null || (!isMany && this.keyLists === null)) return null
    const known = this.keyLists?.get(dict)
    if (known !== undefined || !isMany) return known ?? null
    const list = Object.keys(dict)
    ;(this.keyLists ??= new Map()).set(dict, list)
    return list
  }

  /** Counts a key of a dict object at a place of the stack. A list begins when it has got many keys one by one. */
  keyAdded(dict: object, at: number): void {
    const { single } = this
    if (single === null) return
    if (++single[at % places]! % manySingle !== 0 || this.keyLists?.has(dict) === true) return
    const list = Object.keys(dict)
    if (list.length >= manySingle / 2) (this.keyLists ??= new Map()).set(dict, list)
  }

  /**
   * Remembers the keys of large dict objects when the pickle ends, unless what a caller gave may have added others, which
   * no list has.
   */
  closeDicts(): void {
    const { keyLists, options: { classes, persistentLoad } } = this
    if (keyLists === null || classes !== undefined || persistentLoad !== undefined) return
    for (const [dict, keys] of keyLists) if (keys.length > manyKeys) rememberKeys(dict, keys)
  }

  /** Whether a dict object at a place of the stack becomes a PyDict in steps. */
  isLate(dict: object): boolean {
    const keys = this.keyLists?.get(dict)
    return keys !== undefined && keys.length > fewListed
  }

  /** As `toMap` of a dict object for which `isLate` holds, in steps. */
  *toMapSteps(old: Record<string, unknown>): Generator<undefined, PyDict> {
    const map = this.newMap()
    const keys = this.keyLists?.get(old) ?? Object.keys(old)
    this.keyLists?.delete(old)
    for (let at = 0; at < keys.length; at++) {
      map.insert(keys[at], old[keys[at]!], this.equality)
      if (at % fewListed === 0) yield
    }
    return map
  }

  newMap(): PyDict {
    this.options.onMap?.()
    return new PyDict()
  }

  /** Replaces the dict object at a stack position by a PyDict. */
  toMap(at: number): PyDict {
    const old = this.stack[at] as Record<string, unknown>
    const map = this.newMap()
    this.keyLists?.delete(old)
    for (const key of Object.keys(old)) map.insert(key, old[key], this.equality)
    this.stack[at] = map
    this.replace(old, map)
    return map
  }

  addItems(): void {
    const start = this.mark()
    if (start <= this.fence) this.underflow()
    const target = this.stack[start - 1]
    const members = this.stack.slice(start, this.sp)
    this.sp = start
    for (const member of members) this.addItem(target, member)
  }

  addItem(target: unknown, member: unknown): void {
    const owner = this.owners?.get(target)
    if (owner?.append !== undefined) owner.append(target, member)
    else if (target instanceof PySet && !(target instanceof FrozenSet)) target.insert(member, this.equality)
    else if (target instanceof PyObject) appendItem(target, member)
    else fail("BadValue", "members for a value that is not a set", "a set")
  }

  tupleFrom(start: number): Tuple {
    const out = new Tuple()
    for (let i = start; i < this.sp; i++) out.push(this.stack[i])
    this.sp = start
    return out
  }

  /** The instructions that the fast loop does not handle: those of protocol 0, of classes, and of large sizes. */
  slow(opcode: number): void {
    this.weight += opcode === 0x8f || opcode === 0x52 || opcode === 0x81 ? objectWeight : smallWeight
    switch (opcode) {
      case 0x46: // FLOAT
        return this.push(this.float(floatFromText(this.numberLine())))
      case 0x49: { // INT
        const value = intFromText(this.numberLine(), this.limits.integerBytes)
        return this.push(typeof value === "boolean" ? value : this.integer(value))
      }
      case 0x4c: { // LONG
        const text = this.numberLine()
        const digits = text.endsWith("L") ? text.slice(0, -1) : text
        return this.push(this.integer(shrink(integerFromText(digits, 0, this.limits.integerBytes))))
      }
      case 0x8b: { // LONG4
        const length = this.view.getInt32(this.need(4), true)
        if (length < 0) fail("BadNumber", "an integer of negative length", "a length")
        if (length > this.limits.integerBytes) {
          exceeded("integerBytes", `an integer of ${length} bytes`, this.limits.integerBytes)
        }
        const at = this.need(length)
        return this.push(this.integer(longFromBytes(this.bytes, at, length)))
      }
      case 0x53: // STRING
        return this.quotedLine()
      case 0x54: { // BINSTRING
        const length = this.view.getInt32(this.need(4), true)
        if (length < 0) fail("BadText", "a string of negative length", "a length")
        const at = this.need(length)
        return this.pushString2(this.bytesAt(at, length))
      }
      case 0x55: { // SHORT_BINSTRING
        const length = this.bytes[this.need(1)]!
        const at = this.need(length)
        return this.push(this.string2(this.bytesAt(at, length)))
      }
      case 0x56: // UNICODE
        return this.unicodeLine()
      case 0x42: { // BINBYTES
        const length = this.view.getUint32(this.need(4), true)
        return this.push(this.bytesAt(this.need(length), length))
      }
      case 0x8e: { // BINBYTES8
        const length = this.length8()
        return this.push(this.bytesAt(this.need(length), length))
      }
      case 0x96: { // BYTEARRAY8
        const length = this.length8()
        const at = this.need(length)
        const { buffer, byteOffset } = this.bytes
        return this.push(
          this.copyBytes
            ? new ByteArray(buffer.slice(byteOffset + at, byteOffset + at + length))
            : new ByteArray(buffer, byteOffset + at, length)
        )
      }
      case 0x97: // NEXT_BUFFER
        return this.nextBuffer()
      case 0x98: { // READONLY_BUFFER
        if (!(this.top() instanceof Uint8Array)) fail("BadValue", "a value that is not a buffer", "a buffer")
        return
      }
      case 0x50: // PERSID
        return this.persistent(this.utf8Line())
      case 0x51: // BINPERSID
        return this.persistent(this.pop())
      case 0x63: // GLOBAL
        return this.pushReference(this.globalLines())
      case 0x93: { // STACK_GLOBAL
        const name = this.pop()
        const module = this.pop()
        if (typeof module !== "string" || typeof name !== "string") {
          return fail("BadValue", "a class whose name is not a string", "two strings")
        }
        return this.pushGlobal(module, name)
      }
      case 0x82: // EXT1
        return this.extension(this.bytes[this.need(1)]!)
      case 0x83: // EXT2
        return this.extension(this.view.getUint16(this.need(2), true))
      case 0x84: // EXT4
        return this.extension(this.view.getInt32(this.need(4), true))
      case 0x52: // REDUCE
        return this.reduce()
      case 0x62: // BUILD
        return this.build()
      case 0x81: { // NEWOBJ
        const args = this.pop()
        const cls = this.pop()
        if (!(args instanceof Tuple)) return fail("BadValue", "arguments that are not a tuple", "a tuple")
        this.wraps++
        return this.push(this.construct(cls, args, null))
      }
      case 0x92: { // NEWOBJ_EX
        const kwargs = this.pop()
        const args = this.pop()
        const cls = this.pop()
        if (!(args instanceof Tuple)) return fail("BadValue", "arguments that are not a tuple", "a tuple")
        if (!isDict(kwargs)) return fail("BadValue", "keyword arguments that are not a dict", "a dict")
        this.wraps++
        const isEmpty = kwargs instanceof Map ? kwargs.size === 0 : Object.keys(kwargs).length === 0
        return this.push(this.construct(cls, args, isEmpty ? null : kwargs))
      }
      case 0x69: { // INST
        const global = this.globalLines()
        const args = this.tupleFrom(this.mark())
        this.wraps++
        return this.push(this.construct(global, args, null))
      }
      case 0x6f: { // OBJ
        const start = this.mark()
        if (this.sp <= start) this.underflow()
        const args = this.tupleFrom(start + 1)
        this.wraps++
        const cls = this.stack[this.sp = start]
        return this.push(this.construct(cls, args, null))
      }
      case 0x6c: { // LIST
        const start = this.mark()
        const list = this.stack.slice(start, this.sp)
        this.sp = start
        if (list.length > 0) this.wraps++
        return this.push(list)
      }
      case 0x64: { // DICT
        const start = this.mark()
        const { sp } = this
        if ((sp - start) % 2 !== 0) fail("BadValue", "a key without a value", "an even number of values")
        const items = this.stack.slice(start, sp)
        const plain = !this.mapsOnly &&
          items.every((key, i) => i % 2 === 1 || (typeof key === "string" && !isIndex(key)))
        this.sp = start
        if (plain) {
          const dict = new Dict()
          for (let i = 0; i < items.length; i += 2) dict[items[i] as string] = items[i + 1]
          return this.push(dict)
        }
        const map = this.newMap()
        for (let i = 0; i < items.length; i += 2) map.insert(items[i], items[i + 1], this.equality)
        return this.push(map)
      }
      case 0x8f: // EMPTY_SET
        return this.push(new PySet())
      case 0x90: // ADDITEMS
        return this.addItems()
      case 0x91: { // FROZENSET
        const start = this.mark()
        const out = new FrozenSet()
        for (let i = start; i < this.sp; i++) out.insert(this.stack[i], this.equality)
        this.sp = start
        this.wraps++
        return this.push(out)
      }
      case 0x30: { // POP
        const { marks } = this
        if (marks.length > 0 && marks[marks.length - 1] === this.sp) this.mark()
        else this.pop()
        return
      }
      case 0x31: // POP_MARK
        this.sp = this.mark()
        return
      case 0x32: { // DUP
        return this.push(this.again(this.top()))
      }
      case 0x67: // GET
        return this.get(this.memoIndex())
      case 0x70: { // PUT
        const value = this.top()
        return this.put(this.memoIndex(), value)
      }
      case 0x80: { // PROTO
        const protocol = this.bytes[this.need(1)]!
        if (protocol > 5) fail("UnknownOpcode", `a pickle of protocol ${protocol}`, "a protocol from 0 to 5")
        this.protocol = protocol
        return
      }
      case 0x95: // FRAME
        return this.frame()
      default:
        return fail(
          "UnknownOpcode",
          `the byte 0x${opcode.toString(16).padStart(2, "0")}`,
          "an instruction of a pickle"
        )
    }
  }

  /** Reads the length of a frame, which must be complete. Instructions may cross its end, as in CPython's C. */
  frame(): void {
    const length = this.length8()
    if (this.p + length > this.bytes.length) fail("BadFrame", "a frame that is longer than the input", "a whole frame")
  }

  private memoIndex(): number {
    const index = integerFromText(this.numberLine(), 10, 1_000)
    if (index < 0n) fail("MissingMemo", "a negative memo index", "an index from 0")
    return index > 9007199254740991n ? fail("MissingMemo", "a memo index that is too large", "an index") : Number(index)
  }

  float(value: number): number | PyFloat {
    return this.typedFloats ? new PyFloat(value) : value
  }

  private persistent(id: unknown): void {
    const { persistentLoad } = this.options
    if (persistentLoad === undefined) {
      return fail("Unresolved", "a persistent id", "the option persistentLoad, which says what it stands for")
    }
    this.push(persistentLoad(id))
  }

  private extension(code: number): void {
    if (code <= 0) fail("Unresolved", "an extension code of 0 or less", "a code from 1")
    const name = lookup(this.options.extensions, code)
    if (name === undefined) {
      return fail("Unresolved", `the extension code ${code}`, "its class in the option extensions")
    }
    const dot = name.lastIndexOf(".")
    this.pushGlobal(name.slice(0, Math.max(0, dot)), name.slice(dot + 1))
  }

  private nextBuffer(): void {
    if (this.buffers === undefined) this.buffers = this.options.buffers?.[Symbol.iterator]() ?? null
    if (this.buffers === null) {
      return fail("Unresolved", "a reference to an out-of-band buffer", "the option buffers")
    }
    const next = this.buffers.next()
    if (next.done === true) return fail("Unresolved", "one more out-of-band buffer", "enough buffers in the options")
    this.push(next.value)
  }
}

const isIndex = (key: string): boolean => /^(?:0|[1-9][0-9]{0,9})$/.test(key)
