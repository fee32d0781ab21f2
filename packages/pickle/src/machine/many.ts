/**
 * Instructions on very many values at once, in steps. Python writes a thousand values at a time, and tuples.
 *
 * @since 0.1.0
 */
import { fail } from "../errors.ts"
import { FrozenSet, PyDict, Tuple } from "../values/containers.ts"
import { Dict, isDictObject, isIndexKey } from "../values/dict.ts"
import { decodeUtf8 } from "../values/text.ts"
import type { Machine } from "./machine.ts"

/** Values between two steps. */
const every = 8_192

/**
 * The instruction LIST, TUPLE, DICT, FROZENSET, APPENDS, SETITEMS or ADDITEMS, on the values above the innermost mark.
 *
 * @internal
 */
export function* many(machine: Machine, opcode: number): Generator<undefined, void> {
  const { stack, sp } = machine
  const start = machine.mark()
  machine.weight += 8 * (sp - start)
  switch (opcode) {
    case 0x6c: // LIST
    case 0x74: { // TUPLE
      const out: Array<unknown> = opcode === 0x6c ? [] : new Tuple()
      machine.wraps++
      for (let i = start; i < sp; i++) {
        if (out.push(stack[i]) % every === 0) yield
      }
      return done(machine, start, out)
    }
    case 0x64: { // DICT
      const dict = machine.mapsOnly ? machine.newMap() : new Dict()
      machine.sp = sp
      return done(machine, start, yield* entries(machine, dict, start, sp))
    }
    case 0x91: { // FROZENSET
      const out = new FrozenSet()
      machine.wraps++
      for (let i = start; i < sp; i++) {
        out.insert(stack[i], machine.equality)
        if (i % every === 0) yield
      }
      return done(machine, start, out)
    }
  }
  if (start <= machine.fence) machine.underflow()
  const target = stack[start - 1]
  machine.sp = start
  if (opcode === 0x75) { // SETITEMS
    const now = yield* entries(machine, target, start, sp)
    if (now !== target) {
      stack[start - 1] = now
      machine.replace(target, now)
    }
    return
  }
  for (let i = start; i < sp; i++) {
    if (opcode === 0x65) machine.append(target, stack[i])
    else machine.addItem(target, stack[i])
    if (i % every === 0) yield
  }
}

/**
 * Sets the pairs between two places of the stack on the large dict object at a third, which becomes a Map first.
 *
 * @internal
 */
export function* latePairs(machine: Machine, at: number, start: number, end: number): Generator<undefined, void> {
  const { stack } = machine
  const old = stack[at] as Record<string, unknown>
  const map = yield* machine.toMapSteps(old)
  for (let i = start; i < end; i += 2) map.insert(stack[i], stack[i + 1], machine.equality)
  stack[at] = map
  machine.replace(old, map)
}

/** Bytes of memory, estimated: a string beside its characters. */
const textWeight = 32

/** Bytes of text between two steps. */
const pieceBytes = 0x40000

/**
 * The instructions BINUNICODE and BINUNICODE8 on a long text.
 *
 * @internal
 */
export function* longText(machine: Machine, start: number, end: number): Generator<undefined, void> {
  const { bytes } = machine
  machine.weight += textWeight + end - start
  let text = ""
  for (let at = start; at < end;) {
    let next = Math.min(end, at + pieceBytes)
    // The bytes after the first of a character; more than three of them are no character at all.
    for (let back = 0; back < 3 && next < end && (bytes[next]! & 0xc0) === 0x80; back++) next--
    text += decodeUtf8(bytes, at, next, start)
    at = next
    yield
  }
  machine.push(text)
}

const done = (machine: Machine, start: number, value: unknown): void => {
  machine.sp = start
  machine.push(value)
}

/** Sets the pairs between two places of the stack on a dict; the dict, or the `PyDict` that it became. */
function* entries(machine: Machine, target: unknown, start: number, end: number): Generator<undefined, unknown> {
  const { stack } = machine
  if ((end - start) % 2 !== 0) fail("BadValue", "a key without a value", "an even number of values")
  let dict = target
  const keys = isDictObject(dict) ? machine.keyList(dict, true) : null
  for (let i = start; i < end; i += 2) {
    const key = stack[i]
    if (isDictObject(dict)) {
      if (typeof key === "string" && !isIndexKey(key)) {
        if (keys !== null && dict[key] === undefined) keys.push(key)
        dict[key] = stack[i + 1]
      } else {
        const map: PyDict = yield* machine.toMapSteps(dict)
        map.insert(key, stack[i + 1], machine.equality)
        dict = map
      }
    } else machine.setItem(dict, key, stack[i + 1])
    if (i % every === start % 2) {
      if (isDictObject(dict)) machine.grown(dict, every / 2)
      yield
    }
  }
  return dict
}
