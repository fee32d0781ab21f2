// Measured: bench/pickle.bench.ts
/**
 * Fast paths for runs of plain values: most of a large pickle is lists and dicts of numbers and strings, which need no
 * stack.
 *
 * **Details**
 *
 * At a MARK above a list or dict, `scanItems` checks whether only plain values follow up to the APPENDS or SETITEMS. If
 * so, `fillList` or `fillDict` adds them directly; the result is the same as executing each instruction.
 *
 * @since 0.1.0
 */
import type { PyDict } from "../values/containers.ts"
import { isIndexKey } from "../values/dict.ts"
import { longFromBytes } from "../values/integers.ts"
import { readUtf8 } from "../values/text.ts"
import type { Machine } from "./machine.ts"

const skipMemo = (bytes: Uint8Array, p: number): number => {
  const put = bytes[p]
  return put === 0x94 ? p + 1 : put === 0x71 ? p + 2 : put === 0x72 ? p + 5 : p
}

/**
 * The largest batch; Python writes a thousand items. Larger batches are read instruction by instruction, so that the
 * machine can pause between them.
 */
const maxBatch = 0x8000

/** From this size of a batch in bytes on, a list of the keys of its dict is kept. */
const manyBytes = 4_096

/** Bytes of one batch, for the same reason. */
const maxSpan = 0x400000

/** Bytes of memory, estimated: a string beside its characters. */
const textWeight = 32

/**
 * The position where `closer` ends the run of plain values that begins at `start`; -1 when anything else is in between.
 *
 * @internal
 */
export const scanItems = (bytes: Uint8Array, start: number): number => {
  let p = start
  for (let left = maxBatch; left > 0; left--) {
    switch (bytes[p]) {
      case 0x4b: // BININT1
        p += 2
        continue
      case 0x4d: // BININT2
        p += 3
        continue
      case 0x4a: // BININT
        p += 5
        continue
      case 0x47: // BINFLOAT
        p += 9
        continue
      case 0x4e: // NONE
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        p += 1
        continue
      case 0x8a: // LONG1
        p += 2 + bytes[p + 1]!
        continue
      case 0x8c: // SHORT_BINUNICODE
        p = skipMemo(bytes, p + 2 + bytes[p + 1]!)
        continue
      case 0x58: // BINUNICODE
        p = skipMemo(bytes, p + 5 + uint32(bytes, p + 1))
        continue
      case 0x68: // BINGET
        p += 2
        continue
      case 0x6a: // LONG_BINGET
        p += 5
        continue
      case 0x95: // FRAME
        p += 9
        continue
      case 0x65: // APPENDS
        return p - start > maxSpan ? -1 : p
      default:
        return -1
    }
  }
  return -1
}

/**
 * Like `scanItems`, for pairs whose keys are strings, up to a SETITEMS.
 *
 * @internal
 */
export const scanPairs = (bytes: Uint8Array, start: number): number => {
  let p = start
  for (let left = maxBatch; left > 0; left--) {
    switch (bytes[p]) {
      case 0x8c: // SHORT_BINUNICODE
        p = skipMemo(bytes, p + 2 + bytes[p + 1]!)
        break
      case 0x58: // BINUNICODE
        p = skipMemo(bytes, p + 5 + uint32(bytes, p + 1))
        break
      case 0x68: // BINGET
        p += 2
        break
      case 0x6a: // LONG_BINGET
        p += 5
        break
      case 0x95: // FRAME
        p += 9
        continue
      case 0x75: // SETITEMS
        return p - start > maxSpan ? -1 : p
      default:
        return -1
    }
    while (bytes[p] === 0x95) p += 9
    switch (bytes[p]) {
      case 0x4b: // BININT1
        p += 2
        continue
      case 0x4d: // BININT2
        p += 3
        continue
      case 0x4a: // BININT
        p += 5
        continue
      case 0x47: // BINFLOAT
        p += 9
        continue
      case 0x4e: // NONE
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        p += 1
        continue
      case 0x8a: // LONG1
        p += 2 + bytes[p + 1]!
        continue
      case 0x8c: // SHORT_BINUNICODE
        p = skipMemo(bytes, p + 2 + bytes[p + 1]!)
        continue
      case 0x58: // BINUNICODE
        p = skipMemo(bytes, p + 5 + uint32(bytes, p + 1))
        continue
      case 0x68: // BINGET
        p += 2
        continue
      case 0x6a: // LONG_BINGET
        p += 5
        continue
      default:
        return -1
    }
  }
  return -1
}

const uint32 = (bytes: Uint8Array, p: number): number =>
  (bytes[p]! | (bytes[p + 1]! << 8) | (bytes[p + 2]! << 16) | (bytes[p + 3]! << 24)) >>> 0

const int32 = (bytes: Uint8Array, p: number): number =>
  bytes[p]! | (bytes[p + 1]! << 8) | (bytes[p + 2]! << 16) | (bytes[p + 3]! << 24)

/** A string that may be memoized at once; leaves `machine.p` after both instructions. */
const readString = (machine: Machine, start: number, end: number): string => {
  const { bytes } = machine
  const value = readUtf8(machine.text, start, end)
  machine.weight += textWeight + end - start
  const put = bytes[end]
  if (put === 0x94) {
    machine.remember(value)
    machine.p = end + 1
  } else if (put === 0x71) {
    machine.put(bytes[end + 1]!, value)
    machine.p = end + 2
  } else if (put === 0x72) {
    machine.put(uint32(bytes, end + 1), value)
    machine.p = end + 5
  } else machine.p = end
  return value
}

/** The value of one instruction that `scanItems` has checked, at `machine.p`, which it advances. */
const readPlain = (machine: Machine): unknown => {
  const { bytes } = machine
  while (bytes[machine.p] === 0x95) skipFrame(machine)
  const { p } = machine
  machine.at = p
  switch (bytes[p]) {
    case 0x4b: // BININT1
      machine.p = p + 2
      return machine.bigintsOnly ? BigInt(bytes[p + 1]!) : bytes[p + 1]!
    case 0x4d: { // BININT2
      machine.p = p + 3
      const value = bytes[p + 1]! | (bytes[p + 2]! << 8)
      return machine.bigintsOnly ? BigInt(value) : value
    }
    case 0x4a: { // BININT
      machine.p = p + 5
      const value = int32(bytes, p + 1)
      return machine.bigintsOnly ? BigInt(value) : value
    }
    case 0x47: { // BINFLOAT
      machine.p = p + 9
      const value = machine.float64(p + 1)
      return machine.typedFloats ? machine.float(value) : value
    }
    case 0x4e: // NONE
      machine.p = p + 1
      return null
    case 0x88: // NEWTRUE
      machine.p = p + 1
      return true
    case 0x89: // NEWFALSE
      machine.p = p + 1
      return false
    case 0x8a: { // LONG1
      const length = bytes[p + 1]!
      machine.p = p + 2 + length
      const value = longFromBytes(bytes, p + 2, length)
      return machine.bigintsOnly ? BigInt(value) : value
    }
    case 0x8c: // SHORT_BINUNICODE
      return readString(machine, p + 2, p + 2 + bytes[p + 1]!)
    case 0x58: // BINUNICODE
      return readString(machine, p + 5, p + 5 + uint32(bytes, p + 1))
    case 0x68: // BINGET
      machine.p = p + 2
      return machine.fetch(bytes[p + 1]!)
    default: // LONG_BINGET
      machine.p = p + 5
      return machine.fetch(uint32(bytes, p + 1))
  }
}

const skipFrame = (machine: Machine): void => {
  machine.at = machine.p
  machine.p++
  machine.frame()
}

/**
 * Appends the plain values from `machine.p` up to the APPENDS at `end`. Instructions are counted as if each were
 * executed.
 *
 * @internal
 */
export const fillList = (machine: Machine, list: Array<unknown>, end: number): number => {
  const { bytes } = machine
  const before = list.length
  const plain = !machine.bigintsOnly
  while (machine.p < end) {
    const opcode = bytes[machine.p]!
    if (opcode === 0x95) skipFrame(machine)
    else if (opcode === 0x47 && !machine.typedFloats) machine.p = pushFloats(bytes, machine.view, machine.p, list)
    else if (plain && isSmall(opcode)) machine.p = pushIntegers(bytes, machine.p, list)
    else if (opcode === 0x8c) pushStrings(machine, list)
    else if (opcode !== 0x6a || !pushFetched(machine, list)) list.push(readPlain(machine))
  }
  return list.length - before
}

/** Consecutive strings, each read as `readPlain` does. */
const pushStrings = (machine: Machine, list: Array<unknown>): void => {
  const { bytes, memo, text } = machine
  const room = machine.sparse === null ? machine.limits.memo : 0
  let { p } = machine
  while (bytes[p] === 0x8c) {
    machine.at = p
    const end = p + 2 + bytes[p + 1]!
    if (bytes[end] === 0x94 && memo.length < room) {
      const value = readUtf8(text, p + 2, end)
      machine.weight += textWeight + end - p
      memo.push(value)
      list.push(value)
      p = end + 1
    } else {
      list.push(readString(machine, p + 2, end))
      p = machine.p
    }
  }
  machine.p = p
}

/**
 * The number of items filled in without a pause.
 *
 * @internal
 */
export const maxNumbers = 0x80000

/** Bytes of as many floats: a batch of another writer may have more items. */
const maxNumbersSpan = 9 * maxNumbers

/** The end of the last of the consecutive batches of numbers that start at `start`, and the number of items in them. */
const scanNumbers = (bytes: Uint8Array, start: number): { readonly end: number; readonly count: number } => {
  let end = start
  let total = 0
  let count = 0
  let p = start
  while (bytes[p] === 0x95) p += 9
  if (bytes[p] !== 0x28) return { end, count: total }
  for (p++; p - start <= maxNumbersSpan;) {
    switch (bytes[p]) {
      case 0x4b: // BININT1
        p += 2
        count++
        continue
      case 0x4d: // BININT2
        p += 3
        count++
        continue
      case 0x4a: // BININT
        p += 5
        count++
        continue
      case 0x47: // BINFLOAT
        p += 9
        count++
        continue
      case 0x95: // FRAME
        p += 9
        continue
      case 0x65: // APPENDS
        p += 1
        total += count
        count = 0
        end = p
        // The most at once, so that other work is not delayed.
        if (total >= maxNumbers) return { end, count: total }
        while (bytes[p] === 0x95) p += 9
        if (bytes[p] !== 0x28) return { end, count: total }
        p += 1
        continue
      default:
        return { end, count: total }
    }
  }
  return { end, count: total }
}

/**
 * Appends the batches of numbers that begin at `start` to a list, if they are worth it, and leaves `machine.p` after them.
 * Returns the number of items.
 *
 * @internal
 */
export const readNumbers = (machine: Machine, list: Array<unknown>, start: number): number => {
  machine.p = start
  const { count, end } = scanNumbers(machine.bytes, start)
  if (count < 1_000) return 0
  fillNumbers(machine, list, end, count)
  return count
}

/**
 * Appends the batches of numbers that `scanNumbers` has counted. The list is extended to its final length first,
 * because growing it step by step takes most of the time.
 */
const fillNumbers = (machine: Machine, list: Array<unknown>, end: number, count: number): void => {
  const { bytes, view } = machine
  let at = list.length
  // Beyond that V8 would make a hash table of the list.
  if (at + count <= machine.maxItems) list.length = at + count
  let p = machine.p
  while (p < end) {
    switch (bytes[p]) {
      case 0x4b: // BININT1
        list[at++] = bytes[p + 1]!
        p += 2
        continue
      case 0x4d: // BININT2
        list[at++] = bytes[p + 1]! | (bytes[p + 2]! << 8)
        p += 3
        continue
      case 0x4a: // BININT
        list[at++] = int32(bytes, p + 1)
        p += 5
        continue
      case 0x47: // BINFLOAT
        do {
          list[at++] = view.getFloat64(p + 1)
          p += 9
        } while (bytes[p] === 0x47)
        continue
      case 0x95: // FRAME
        machine.p = p
        skipFrame(machine)
        p = machine.p
        continue
      default: // MARK, APPENDS
        p += 1
    }
  }
  machine.p = p
}

const pushFloats = (bytes: Uint8Array, view: DataView, start: number, list: Array<unknown>): number => {
  let p = start
  for (; bytes[p] === 0x47; p += 9) list.push(view.getFloat64(p + 1))
  return p
}

const isSmall = (opcode: number): boolean => opcode === 0x4b || opcode === 0x4d || opcode === 0x4a

const pushIntegers = (bytes: Uint8Array, start: number, list: Array<unknown>): number => {
  let p = start
  for (;;) {
    const opcode = bytes[p]
    if (opcode === 0x4b) {
      list.push(bytes[p + 1]!)
      p += 2
    } else if (opcode === 0x4d) {
      list.push(bytes[p + 1]! | (bytes[p + 2]! << 8))
      p += 3
    } else if (opcode === 0x4a) {
      list.push(int32(bytes, p + 1))
      p += 5
    } else return p
  }
}

/**
 * Sets the pairs from `machine.p` up to the SETITEMS at `end` on the dict at a stack position.
 *
 * @internal
 */
export const fillDict = (machine: Machine, at: number, end: number): number => {
  const dict = machine.stack[at] as Record<string, unknown>
  const { bytes } = machine
  const keys = machine.keyList(dict, end - machine.p >= manyBytes)
  let count = 0
  let key: unknown
  while (machine.p < end) {
    if (bytes[machine.p] === 0x95) {
      skipFrame(machine)
      continue
    }
    count += 2
    key = readPlain(machine)
    const value = readPlain(machine)
    if (typeof key === "string" && !isIndexKey(key)) {
      if (keys !== null && dict[key] === undefined) keys.push(key)
      dict[key] = value
    } else {
      if (machine.isLate(dict)) {
        machine.pending = lateEntries(machine, at, [key, value], machine.p, end)
        return count
      }
      // The dict is a Map from here on.
      machine.toMap(at).insert(key, value, machine.equality)
      return count + fillMap(machine, machine.stack[at] as PyDict, end)
    }
  }
  machine.grown(dict, count / 2)
  return count
}

/** Goes on with a batch of `fillDict`, after one more pair, once its large dict object has become a Map. */
function* lateEntries(
  machine: Machine,
  at: number,
  [key, value]: readonly [unknown, unknown],
  next: number,
  end: number
): Generator<undefined, void> {
  const old = machine.stack[at] as Record<string, unknown>
  const map = yield* machine.toMapSteps(old)
  machine.stack[at] = map
  machine.replace(old, map)
  map.insert(key, value, machine.equality)
  machine.p = next
  machine.instructions += fillMap(machine, map, end)
  machine.p = end + 1
}

/** Consecutive strings from the memo, each read as `readPlain` does; false when there are none. */
const pushFetched = (machine: Machine, list: Array<unknown>): boolean => {
  const { bytes, memo } = machine
  const start = machine.p
  let p = start
  let characters = 0
  while (bytes[p] === 0x6a && characters < 0x100000) {
    const index = uint32(bytes, p + 1)
    const value = index < memo.length ? memo[index] : undefined
    if (typeof value !== "string") break
    machine.at = p
    characters += value.length
    list.push(value)
    p += 5
  }
  machine.p = p
  machine.charge(characters)
  return p > start
}

/** Consecutive pairs of a short string and a float, each read as `readPlain` does. */
const insertFloats = (machine: Machine, map: PyDict): number => {
  const { bytes, equality, memo, text } = machine
  const room = machine.sparse === null ? machine.limits.memo : 0
  let { p } = machine
  let count = 0
  while (bytes[p] === 0x8c) {
    const end = p + 2 + bytes[p + 1]!
    if (bytes[end] !== 0x94 || bytes[end + 1] !== 0x47 || memo.length >= room) break
    machine.at = p
    const key = readUtf8(text, p + 2, end)
    memo.push(key)
    machine.weight += textWeight + end - p
    map.insert(key, machine.float64(end + 2), equality)
    p = end + 10
    count += 2
  }
  machine.p = p
  return count
}

/** @internal */
export const fillMap = (machine: Machine, map: PyDict, end: number): number => {
  const { bytes } = machine
  const floats = !machine.typedFloats
  let count = 0
  while (machine.p < end) {
    if (floats) count += insertFloats(machine, map)
    if (machine.p >= end) break
    if (bytes[machine.p] === 0x95) {
      skipFrame(machine)
      continue
    }
    count += 2
    const key = readPlain(machine)
    map.insert(key, readPlain(machine), machine.equality)
  }
  return count
}
