// Measured: bench/pickle.bench.ts
/**
 * The pickle machine: reads instructions and makes values. Nothing is called, imported or looked up.
 *
 * @since 0.1.0
 */
import { exceeded, fail, PickleError } from "../errors.ts"
import type { LoadsOptions } from "../options.ts"
import { checkDepth, substitute } from "../replace.ts"
import { PyDict, Tuple } from "../values/containers.ts"
import { Dict, isDictObject, isIndexKey } from "../values/dict.ts"
import { longFromBytes } from "../values/integers.ts"
import { PyFloat } from "../values/numbers.ts"
import { readUtf8 } from "../values/text.ts"
import { aheadFrom } from "./ahead.ts"
import { fillDict, fillList, fillMap, maxNumbers, readNumbers, scanItems, scanPairs } from "./batches.ts"
import { Machine, maxItems } from "./machine.ts"
import { latePairs, longText, many } from "./many.ts"
import { opcodeName } from "./opcodes.ts"

/**
 * Instructions per call of `run`: V8 compiles a function that returns often, but only re-enters a loop that never ends.
 */
const stretch = 20_000

/** A text of more bytes counts as an instruction for every 64 of them, so that a call of `run` stays short. */
const someText = 4_096

/** More values that an instruction takes count as instructions too. */
const someValues = 64

/** A text of more bytes is read in steps. */
const maxText = 0x80000

/** Values of pairs that one instruction takes and that make the keys of their dict worth a list. */
const manyPairs = 512

/** Values that one instruction takes at once. What takes more is done in steps by `many`. */
const maxAtOnce = 0x8000

/** Bytes of memory, estimated: a list, a tuple, a dict object, a `PyDict`, a string beside its characters, a float. */
const listWeight = 48
const tupleWeight = 64
const dictWeight = 64
const mapWeight = 256
const textWeight = 32
const floatWeight = 16
/** A view of the input. */
const viewWeight = 112

/**
 * Whether the first key of the dict that begins here can only be held by a Map. A guess: a dict object that meets such
 * a key later becomes a Map then.
 */
const beginsWithOtherKey = (bytes: Uint8Array, at: number, memo: ReadonlyArray<unknown>): boolean => {
  let p = at
  const put = bytes[p]
  if (put === 0x94) p += 1
  else if (put === 0x71) p += 2
  else if (put === 0x72) p += 5
  if (bytes[p] === 0x28) p += 1
  switch (bytes[p]) {
    case 0x8c: // SHORT_BINUNICODE
      return isIndexAt(bytes, p + 2, bytes[p + 1]!)
    case 0x58: // BINUNICODE
      return bytes[p + 2] === 0 && isIndexAt(bytes, p + 5, bytes[p + 1]!)
    case 0x68: // BINGET
      return isOther(memo[bytes[p + 1]!])
    case 0x6a: { // LONG_BINGET
      const index = bytes[p + 1]! + bytes[p + 2]! * 256 + bytes[p + 3]! * 65_536 + bytes[p + 4]! * 16_777_216
      return isOther(memo[index])
    }
    case 0x4a: // BININT
    case 0x4b: // BININT1
    case 0x4d: // BININT2
    case 0x8a: // LONG1
    case 0x47: // BINFLOAT
    case 0x49: // INT
    case 0x4c: // LONG
    case 0x43: // SHORT_BINBYTES
      return true
    default:
      return false
  }
}

/**
 * Whether this dict is one of many whose first key is always new. V8 makes a hidden class for every new list of keys;
 * for dicts that all differ, a hash table is several times faster.
 */
const beginsWithNovelKey = (machine: Machine, at: number): boolean => {
  const { bytes } = machine
  // A few dicts are not worth checking.
  if (machine.novel < 32) {
    machine.novel++
    return false
  }
  const firstKeys = machine.firstKeys ??= new Uint32Array(256)
  let p = at
  const put = bytes[p]
  if (put === 0x94) p += 1
  else if (put === 0x71) p += 2
  else if (put === 0x72) p += 5
  if (bytes[p] === 0x28) p += 1
  const opcode = bytes[p]
  if (opcode === 0x8c) p += 2
  else if (opcode === 0x58) p += 5
  else return false
  const mark =
    ((bytes[p]! << 24) ^ (bytes[p + 1]! << 16) ^ (bytes[p + 2]! << 8) ^ bytes[p + 3]! ^ (bytes[p - 1]! << 4)) >>> 0
  const slot = (mark ^ (mark >>> 8) ^ (mark >>> 16) ^ (mark >>> 24)) & 255
  if (firstKeys[slot] === mark) return false
  firstKeys[slot] = mark
  return ++machine.novel > 100
}

/** Whether the text at an offset is an array index, which an object would move to its front. */
const isIndexAt = (bytes: Uint8Array, start: number, length: number): boolean => {
  if (length === 0 || length > 10 || (bytes[start] === 48 && length > 1)) return false
  for (let at = start; at < start + length; at++) {
    const byte = bytes[at]
    if (byte === undefined || byte < 48 || byte > 57) return false
  }
  return true
}

const isOther = (key: unknown): boolean => typeof key !== "string" || isIndexKey(key)

/** Runs at most `stretch` instructions; true at STOP. */
const run = (machine: Machine): boolean => {
  const { bytes, text, stack, marks, typedFloats, bigintsOnly, mapsOnly } = machine
  const end = bytes.length
  const maxMemo = machine.limits.memo
  const maxCharge = 0x10000000
  let { p, sp, fence, memo } = machine
  let charged = 0
  let left = Math.min(stretch, machine.limits.values - machine.instructions)
  if (left <= 0) exceeded("values", "too many instructions", machine.limits.values)
  machine.instructions += left
  let height = machine.height
  /** What long texts and many values took off `left` beside their instruction. */
  let extra = 0
  let weight = 0

  loop: while (left-- > 0) {
    machine.at = p
    const opcode = bytes[p++]
    switch (opcode) {
      case 0x28: { // MARK
        if (sp > fence) {
          const target = stack[sp - 1]
          if (Array.isArray(target)) {
            const isList = target.constructor === Array
            const isPlain = isList && !typedFloats && !bigintsOnly
            if (isPlain && target.length >= maxNumbers) {
              // Pushing the next batch would copy a list of this length, and extending it for the others once more.
              const count = readNumbers(machine, target, p - 1)
              if (count > 0) {
                left -= count
                p = machine.p
                continue
              }
            }
            const close = isList ? scanItems(bytes, p) : -1
            if (close >= 0) {
              machine.p = p
              const count = fillList(machine, target, close)
              left -= count
              p = close + 1
              if (isPlain && count >= 1_000) {
                // After a full batch, the rest of a long list may be numbers too.
                left -= readNumbers(machine, target, p)
                p = machine.p
              }
              continue
            }
          } else if (isDictObject(target)) {
            const close = scanPairs(bytes, p)
            if (close >= 0) {
              machine.p = p
              left -= fillDict(machine, sp - 1, close)
              p = close + 1
              if (machine.pending === null) continue
              left--
              break loop
            }
          } else if (target instanceof PyDict && Object.getPrototypeOf(target) === PyDict.prototype) {
            const close = scanPairs(bytes, p)
            if (close >= 0) {
              machine.p = p
              left -= fillMap(machine, target, close)
              p = close + 1
              continue
            }
          }
        }
        marks.push(sp)
        fence = sp
        if (sp > height) height = sp
        continue
      }
      case 0x4b: // BININT1
        if (p >= end) break
        stack[sp++] = bigintsOnly ? BigInt(bytes[p]!) : bytes[p]!
        p += 1
        continue
      case 0x4d: { // BININT2
        if (p + 2 > end) break
        const value = bytes[p]! | (bytes[p + 1]! << 8)
        stack[sp++] = bigintsOnly ? BigInt(value) : value
        p += 2
        continue
      }
      case 0x4a: { // BININT
        if (p + 4 > end) break
        const value = bytes[p]! | (bytes[p + 1]! << 8) | (bytes[p + 2]! << 16) | (bytes[p + 3]! << 24)
        stack[sp++] = bigintsOnly ? BigInt(value) : value
        p += 4
        continue
      }
      case 0x8a: { // LONG1
        const length = bytes[p]!
        if (p + 1 + length > end || p >= end) break
        const value = longFromBytes(bytes, p + 1, length)
        stack[sp++] = bigintsOnly ? BigInt(value) : value
        p += 1 + length
        continue
      }
      case 0x47: { // BINFLOAT
        if (p + 8 > end) break
        const value = machine.float64(p)
        weight += floatWeight
        stack[sp++] = typedFloats ? new PyFloat(value) : value
        p += 8
        continue
      }
      case 0x4e: // NONE
        stack[sp++] = null
        continue
      case 0x88: // NEWTRUE
        stack[sp++] = true
        continue
      case 0x89: // NEWFALSE
        stack[sp++] = false
        continue
      case 0x8c: { // SHORT_BINUNICODE
        const length = bytes[p]!
        const start = p + 1
        if (start + length > end || p >= end) break
        p = start + length
        weight += textWeight + length
        stack[sp++] = readUtf8(text, start, p)
        continue
      }
      case 0x58: { // BINUNICODE
        if (p + 4 > end) break
        const length = (bytes[p]! | (bytes[p + 1]! << 8) | (bytes[p + 2]! << 16) | (bytes[p + 3]! << 24)) >>> 0
        const start = p + 4
        if (start + length > end) break
        if (length > someText) {
          if (length > maxText) break
          left -= length >> 6
          extra += length >> 6
        }
        p = start + length
        weight += textWeight + length
        stack[sp++] = readUtf8(text, start, p)
        continue
      }
      case 0x43: { // SHORT_BINBYTES
        const length = bytes[p]!
        if (p + 1 + length > end || p >= end) break
        weight += viewWeight
        stack[sp++] = machine.bytesAt(p + 1, length)
        p += 1 + length
        continue
      }
      case 0x94: // MEMOIZE
        if (sp <= fence) break
        if (memo.length >= maxMemo || machine.sparse !== null) break
        memo.push(stack[sp - 1])
        continue
      case 0x71: { // BINPUT
        if (sp <= fence || p >= end) break
        const index = bytes[p]!
        if (index === memo.length) {
          if (index >= maxMemo || machine.sparse !== null) break
          memo.push(stack[sp - 1])
        } else if (index < memo.length) memo[index] = stack[sp - 1]
        else break
        p += 1
        continue
      }
      case 0x72: { // LONG_BINPUT
        if (sp <= fence || p + 4 > end) break
        const index = (bytes[p]! | (bytes[p + 1]! << 8) | (bytes[p + 2]! << 16) | (bytes[p + 3]! << 24)) >>> 0
        if (index !== memo.length || index >= maxMemo || machine.sparse !== null) break
        memo.push(stack[sp - 1])
        p += 4
        continue
      }
      case 0x68: { // BINGET
        const index = bytes[p]!
        if (p >= end || index >= memo.length) break
        const value = memo[index]
        if (typeof value !== "string") break
        charged += value.length
        stack[sp++] = value
        p += 1
        continue
      }
      case 0x6a: { // LONG_BINGET
        if (p + 4 > end) break
        const index = (bytes[p]! | (bytes[p + 1]! << 8) | (bytes[p + 2]! << 16) | (bytes[p + 3]! << 24)) >>> 0
        if (index >= memo.length) break
        const value = memo[index]
        if (typeof value !== "string") break
        charged += value.length
        if (charged > maxCharge) {
          machine.charge(charged)
          charged = 0
        }
        stack[sp++] = value
        p += 4
        continue
      }
      case 0x5d: // EMPTY_LIST
        weight += listWeight
        stack[sp++] = []
        continue
      case 0x7d: // EMPTY_DICT
        weight += mapsOnly ? mapWeight : dictWeight
        stack[sp++] = mapsOnly || beginsWithOtherKey(bytes, p, memo)
          ? machine.newMap()
          : beginsWithNovelKey(machine, p)
          ? Object.create(null)
          : new Dict()
        continue
      case 0x29: // EMPTY_TUPLE
        weight += tupleWeight
        stack[sp++] = new Tuple()
        continue
      case 0x85: { // TUPLE1
        if (sp - 1 < fence) break
        const out = new Tuple(1)
        const a = stack[sp - 1]
        out[0] = a
        if (typeof a === "object" && a !== null) machine.wraps++
        weight += tupleWeight
        stack[sp - 1] = out
        continue
      }
      case 0x86: { // TUPLE2
        if (sp - 2 < fence) break
        const a = stack[sp - 2], b = stack[sp - 1]
        if ((typeof a === "object" && a !== null) || (typeof b === "object" && b !== null)) machine.wraps++
        weight += tupleWeight
        stack[sp - 2] = new Tuple(a, b)
        sp -= 1
        continue
      }
      case 0x87: { // TUPLE3
        if (sp - 3 < fence) break
        const a = stack[sp - 3], b = stack[sp - 2], c = stack[sp - 1]
        if (
          (typeof a === "object" && a !== null) || (typeof b === "object" && b !== null) ||
          (typeof c === "object" && c !== null)
        ) machine.wraps++
        weight += tupleWeight
        stack[sp - 3] = new Tuple(a, b, c)
        sp -= 2
        continue
      }
      case 0x74: { // TUPLE
        if (marks.length === 0 || sp - fence > maxAtOnce) break
        const start = marks.pop()!
        fence = marks.length === 0 ? 0 : marks[marks.length - 1]!
        const length = sp - start
        const out = new Tuple(length)
        for (let i = 0; i < length; i++) out[i] = stack[start + i]
        machine.wraps++
        weight += tupleWeight + 8 * length
        sp = start
        stack[sp++] = out
        continue
      }
      case 0x61: { // APPEND
        const at = sp - 2
        if (at < fence) break
        const list = stack[at]
        const item = stack[sp - 1]
        sp -= 1
        if (sp > height) height = sp
        if (Array.isArray(list) && Object.getPrototypeOf(list) === Array.prototype) list.push(item)
        else machine.append(list, item)
        continue
      }
      case 0x65: { // APPENDS
        if (marks.length === 0 || sp - fence > maxAtOnce) break
        const start = marks.pop()!
        fence = marks.length === 0 ? 0 : marks[marks.length - 1]!
        if (start <= fence) {
          machine.sp = sp
          machine.fence = fence
          machine.underflow()
        }
        const list = stack[start - 1]
        if (Array.isArray(list) && Object.getPrototypeOf(list) === Array.prototype) {
          for (let i = start; i < sp; i++) list.push(stack[i])
        } else for (let i = start; i < sp; i++) machine.append(list, stack[i])
        sp = start
        continue
      }
      case 0x73: { // SETITEM
        const at = sp - 3
        if (at < fence) break
        const dict = stack[at]
        const key = stack[sp - 2]
        const value = stack[sp - 1]
        sp -= 2
        if (sp > height) height = sp
        if (isDictObject(dict)) {
          if (typeof key === "string" && !isIndexKey(key)) {
            const keys = machine.keyList(dict, false)
            if (keys !== null && dict[key] === undefined) keys.push(key)
            dict[key] = value
            machine.grown(dict, 1)
            machine.keyAdded(dict, at)
          } else if (machine.isLate(dict)) {
            machine.pending = latePairs(machine, at, at + 1, at + 3)
            left--
            break loop
          } else machine.toMap(at).insert(key, value, machine.equality)
        } else machine.setItem(dict, key, value)
        continue
      }
      case 0x75: { // SETITEMS
        if (marks.length === 0 || sp - fence > maxAtOnce) break
        const start = marks.pop()!
        fence = marks.length === 0 ? 0 : marks[marks.length - 1]!
        if (start <= fence) {
          machine.sp = sp
          machine.fence = fence
          machine.underflow()
        }
        if ((sp - start) % 2 !== 0) fail("BadValue", "a key without a value", "an even number of values")
        const dict = stack[start - 1]
        let i = start
        if (isDictObject(dict)) {
          const keys = machine.keyList(dict, sp - start >= manyPairs)
          for (; i < sp; i += 2) {
            const key = stack[i]
            if (typeof key !== "string" || isIndexKey(key)) break
            if (keys !== null && dict[key] === undefined) keys.push(key)
            dict[key] = stack[i + 1]
          }
          if (i > start) machine.grown(dict, (i - start) / 2)
          if (i < sp && machine.isLate(dict)) {
            machine.pending = latePairs(machine, start - 1, i, sp)
            sp = start
            left--
            break loop
          }
          if (i < sp) {
            const map = machine.toMap(start - 1)
            for (; i < sp; i += 2) map.insert(stack[i], stack[i + 1], machine.equality)
          }
        } else if (dict instanceof PyDict) {
          for (; i < sp; i += 2) dict.insert(stack[i], stack[i + 1], machine.equality)
        } else for (; i < sp; i += 2) machine.setItem(dict, stack[i], stack[i + 1])
        sp = start
        continue
      }
      case 0x2e: // STOP
        machine.p = p
        machine.sp = sp
        machine.fence = fence
        machine.height = height
        machine.instructions -= left + extra
        machine.weight += weight
        machine.charge(charged)
        machine.weigh()
        if (machine.instructions > machine.limits.values) {
          exceeded("values", "too many instructions", machine.limits.values)
        }
        return true
      case undefined:
        machine.at = end
        return fail("Truncated", "the end of the input", "STOP")
    }

    // All other instructions, and the rare or invalid cases of those above.
    machine.p = p
    machine.sp = sp
    machine.fence = fence
    if (sp > height) height = sp
    if (charged > 0) {
      machine.charge(charged)
      charged = 0
    }
    rare(machine, opcode)
    // The members of a set take as long as an instruction each, and so do some digits of a long integer.
    const taken = Math.max(sp - machine.sp, (machine.p - p) >> 3)
    p = machine.p
    if (taken > someValues) {
      left -= taken
      extra += taken
    }
    sp = machine.sp
    fence = machine.fence
    memo = machine.memo
    if (machine.pending !== null) {
      left--
      break
    }
  }
  machine.p = p
  machine.sp = sp
  machine.fence = fence
  machine.height = height
  machine.instructions -= left + 1 + extra
  machine.weight += weight
  machine.charge(charged)
  if (sp > machine.maxItems) exceeded("values", "too many values at once", machine.maxItems)
  machine.weigh()
  return false
}

/** An instruction of the fast loop that is truncated, or uses values that are not there. */
const rare = (machine: Machine, opcode: number): void => {
  switch (opcode) {
    case 0x4b: // BININT1
    case 0x8a: // LONG1
    case 0x8c: // SHORT_BINUNICODE
    case 0x43: { // SHORT_BINBYTES
      const length = machine.bytes[machine.need(1)]!
      machine.need(length)
      return
    }
    case 0x4d: // BININT2
      machine.need(2)
      return
    case 0x4a: // BININT
      machine.need(4)
      return
    case 0x47: // BINFLOAT
      machine.need(8)
      return
    case 0x58: { // BINUNICODE
      const length = machine.view.getUint32(machine.need(4), true)
      const at = machine.need(length)
      machine.pending = longText(machine, at, at + length)
      return
    }
    case 0x8d: { // BINUNICODE8
      const length = machine.length8()
      const at = machine.need(length)
      machine.pending = longText(machine, at, at + length)
      return
    }
    case 0x94: // MEMOIZE
      machine.put(machine.memoSize(), machine.top())
      return
    case 0x71: // BINPUT
      machine.put(machine.bytes[machine.need(1)]!, machine.top())
      return
    case 0x72: // LONG_BINPUT
      machine.put(machine.view.getUint32(machine.need(4), true), machine.top())
      return
    case 0x68: // BINGET
      machine.get(machine.bytes[machine.need(1)]!)
      return
    case 0x6a: // LONG_BINGET
      machine.get(machine.view.getUint32(machine.need(4), true))
      return
    case 0x85: // TUPLE1
    case 0x86: // TUPLE2
    case 0x87: // TUPLE3
    case 0x61: // APPEND
    case 0x73: // SETITEM
      return machine.underflow()
    case 0x74: // TUPLE
    case 0x65: // APPENDS
    case 0x75: // SETITEMS
      if (machine.marks.length === 0) machine.mark()
      machine.pending = many(machine, opcode)
      return
    case 0x6c: // LIST
    case 0x64: // DICT
    case 0x90: // ADDITEMS
    case 0x91: // FROZENSET
      if (machine.marks.length > 0 && machine.sp - machine.fence > maxAtOnce) machine.pending = many(machine, opcode)
      else machine.slow(opcode)
      return
    default:
      machine.slow(opcode)
  }
}

Machine.shapes.push(
  new Machine(new Uint8Array(0), 0, {}),
  new PyDict(),
  new Dict(),
  new Tuple(1),
  new Tuple(1, 2)
)

/** One value and the offset where its pickle ends. */
const load = (bytes: Uint8Array, start: number, options: LoadsOptions) => finished(new Machine(bytes, start, options))

/**
 * The result of `load` for a machine that is at the start of a pickle.
 *
 * @internal
 */
export const finished = (machine: Machine): { readonly value: unknown; readonly end: number } => {
  try {
    checkLength(machine)
    while (!run(machine)) if (machine.pending !== null) finish(machine)
    // Most need no steps, and a generator for nothing takes as long as a few instructions.
    return isSimple(machine) ? { value: machine.pop(), end: machine.p } : toEnd(ended(machine))
  } catch (cause) {
    throw located(cause, machine)
  }
}

/** Whether the value on the stack is what the pickle is, once the machine has stopped. */
const isSimple = ({ forward, height, limits, wraps }: Machine): boolean =>
  forward === null && height + wraps + 1 <= limits.depth

const checkLength = ({ bytes, limits }: Machine): void => {
  if (bytes.length > limits.bytes) exceeded("bytes", "a pickle that is too long", limits.bytes)
}

/** Completes an instruction on very many values. */
const finish = (machine: Machine): void => {
  if (machine.pending !== null) toEnd(machine.pending)
  machine.pending = null
}

const toEnd = <A>(steps: Generator<undefined, A>): A => {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** The value on the stack once the machine has stopped. */
function* ended(machine: Machine): Generator<undefined, { readonly value: unknown; readonly end: number }> {
  let value = machine.pop()
  const keysOf = (dict: object) => machine.keyList(dict, false) ?? undefined
  if (machine.forward !== null && machine.shared > 0) value = yield* substitute(value, machine.forward, keysOf)
  if (machine.height + machine.wraps + 1 > machine.limits.depth) {
    // What the caller's classes make may contain itself.
    const { classes, persistentLoad } = machine.options
    const isTree = machine.shared === 0 && classes === undefined && persistentLoad === undefined
    yield* checkDepth(value, machine.limits.depth, isTree, keysOf)
  }
  machine.closeDicts()
  return { value, end: machine.p }
}

const located = (cause: unknown, machine: Machine): unknown => {
  const opcode = machine.at < machine.bytes.length ? opcodeName(machine.bytes[machine.at]!) : null
  if (cause instanceof PickleError) {
    if (cause.position >= 0) return cause
    const { expected, found, limit, reason } = cause
    return new PickleError({ reason, found, expected, ...(limit === null ? {} : { limit }) }, machine.at, opcode)
  }
  if (cause instanceof RangeError) {
    // The last resort: an engine's own limit on a string, an array, a bigint or the stack.
    return new PickleError(
      {
        reason: "LimitExceeded",
        found: "a value beyond what this JavaScript engine can hold",
        expected: "a smaller value"
      },
      machine.at,
      opcode
    )
  }
  return cause
}

const bytesOf = (input: Uint8Array | ArrayBuffer): Uint8Array => {
  if (input instanceof Uint8Array) return input
  if (input instanceof ArrayBuffer) return new Uint8Array(input)
  throw new TypeError("loads takes a Uint8Array or an ArrayBuffer")
}

/**
 * Reads one Python pickle and returns, as data, the value that Python's `pickle.loads` would return. Bytes after its
 * STOP are ignored.
 *
 * **Details**
 *
 * None is `null`, an int a number (a bigint when a number would be inexact), a float a number, a str a string, bytes a
 * Uint8Array, a list an Array, a tuple a `Tuple`, a dict an object when its keys are strings and otherwise a `PyDict`,
 * and a set a `PySet`. Other types of the standard library, NumPy and pandas have their own classes; everything else is
 * an inert `PyObject`. Shared and recursive references are preserved.
 *
 * @throws PickleError when the bytes are not a pickle that Python would accept, or exceed one of the limits
 * @category reading
 * @since 0.1.0
 */
export const loads = (bytes: Uint8Array | ArrayBuffer, options: LoadsOptions = {}): unknown =>
  load(bytesOf(bytes), 0, options).value

/**
 * Reads one Python pickle as `loads` does, in steps of some milliseconds, so that the caller can let others work between
 * them. The generator yields the estimated memory of the values so far and of those that are known to come, in bytes, and
 * returns the value.
 *
 * @throws PickleError as `loads` does
 * @category reading
 * @since 0.1.0
 */
export function* loadsSteps(
  bytes: Uint8Array | ArrayBuffer,
  options: LoadsOptions = {}
): Generator<number, unknown, unknown> {
  return (yield* loadsAtSteps(bytes, 0, options)).value
}

/**
 * Reads the pickle that begins at an offset as `loadsAt` does, in steps, as `loadsSteps` does.
 *
 * @throws PickleError as `loads` does
 * @category reading
 * @since 0.1.0
 */
export function* loadsAtSteps(
  bytes: Uint8Array | ArrayBuffer,
  offset: number,
  options: LoadsOptions = {}
): Generator<number, { readonly value: unknown; readonly end: number }, unknown> {
  const machine = new Machine(bytesOf(bytes), offset, options, maxItems, true)
  try {
    checkLength(machine)
    let counted = 0
    while (!run(machine)) {
      yield machine.memory
      if (machine.p > counted) counted = yield* aheadFrom(machine)
      if (machine.pending === null) continue
      yield* weighed(machine, machine.pending)
      machine.pending = null
    }
    return yield* weighed(machine, ended(machine))
  } catch (cause) {
    throw located(cause, machine)
  }
}

/** Steps of a machine that yield its memory. */
function* weighed<A>(machine: Machine, work: Generator<undefined, A>): Generator<number, A, unknown> {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
    yield machine.memory
  }
}

/**
 * Reads the pickle that begins at an offset; `end` is the offset of the byte after its STOP.
 *
 * @throws PickleError as `loads` does
 * @category reading
 * @since 0.1.0
 */
export const loadsAt = (
  bytes: Uint8Array | ArrayBuffer,
  offset: number,
  options: LoadsOptions = {}
): { readonly value: unknown; readonly end: number } => load(bytesOf(bytes), offset, options)

/**
 * Reads all pickles in a buffer, one after another, as repeated calls of `pickle.dump` on one file write them.
 *
 * @throws PickleError as `loads` does, also for bytes after the last pickle
 * @category reading
 * @since 0.1.0
 */
export const loadsAll = (bytes: Uint8Array | ArrayBuffer, options: LoadsOptions = {}): Array<unknown> => {
  const input = bytesOf(bytes)
  const out: Array<unknown> = []
  for (let at = 0; at < input.length;) {
    const { end, value } = load(input, at, options)
    out.push(value)
    at = end
  }
  return out
}
