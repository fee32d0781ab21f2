/**
 * Writes the loop of the LZMA decoder as a module of WebAssembly, with what TypeScript must know of its memory:
 * `npm run lzma`. The decoder in TypeScript, `lzmaDecoder.ts`, is the same algorithm with more words.
 */
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import {
  add,
  and,
  block,
  branch,
  branchIf,
  choose,
  differs,
  equals,
  isAtLeast,
  isGreater,
  isLess,
  isLessSigned,
  load,
  Locals,
  loop,
  low,
  moduleOf,
  multiply,
  or,
  set,
  shiftLeft,
  shiftRight,
  shiftSigned,
  type Statement,
  store,
  subtract,
  type Value,
  when,
  xor
} from "./assembler.ts"

// ------------------------------------------------------------------------------------------------------------- memory

const states = 12
const positionStates = 16

let next = 0
const take = (bytes: number): number => {
  const at = next
  next += bytes
  return at
}
const aligned = (): void => void take(-next & 63)

/** What outlives a call, of four bytes each. */
const range = take(4)
const code = take(4)
const position = take(4)
const state = take(4)
const rep0 = take(4)
const rep1 = take(4)
const rep2 = take(4)
const rep3 = take(4)
/** Of literals: the bits of context, and the mask of the position. */
const lc = take(4)
const lpMask = take(4)
const pbMask = take(4)
/** The position from which a call decodes nothing more. */
const limit = take(4)
/** The largest distance, and where the window would start if it had never come round. */
const dictionarySize = take(4)
const origin = take(4)
/** The end of the window, after which its start comes. */
const windowEnd = take(4)
/** How a call ended: 0 if as asked, 1 at the end marker, 2 at a distance that goes back too far. */
const outcome = take(4)

aligned()
const probabilities = next
const isMatch = take(2 * states * positionStates)
const isRep = take(2 * states)
const isRepG0 = take(2 * states)
const isRepG1 = take(2 * states)
const isRepG2 = take(2 * states)
const isRep0Long = take(2 * states * positionStates)
const posSlot = take(2 * 4 * 64)
const posSpecial = take(2 * 128)
const align = take(2 * 16)
const lengthSize = 2 * (2 + positionStates * 8 * 2 + 256)
const matchLength = take(lengthSize)
const repLength = take(lengthSize)
const literal = take(2 * (0x300 << 4))
const probabilitiesEnd = next

aligned()
/** Compressed bytes. A literal or match takes less than 32 of them, which may be behind those that are there. */
const input = take(0x10000 + 64)
/** At least one byte is before the window, the one before its first. */
take(1)
aligned()
const windowStart = next

// ---------------------------------------------------------------------------------------------------------- variables

const locals = new Locals()
/** Where to write in the memory, and where to stop: the rest of one match more may be written. */
const at = locals.i32()
const target = locals.i32()

const now = {
  position: locals.i32(),
  state: locals.i32(),
  rep0: locals.i32(),
  // Wide, so that the sign of a difference tells which of two is larger.
  range: locals.i64(),
  code: locals.i64()
}
/** Read once in a call. */
const fixed = {
  limit: locals.i32(),
  lc: locals.i32(),
  lpMask: locals.i32(),
  pbMask: locals.i32(),
  origin: locals.i32(),
  windowEnd: locals.i32()
}
const index = locals.i32()
const probability = locals.i64()
const bound = locals.i64()
const rest = locals.i64()
const difference = locals.i64()
/** All ones if the last bit was 0, and otherwise 0. */
const mask = locals.i64()
const bit = locals.i32()
const symbol = locals.i32()
const tree = locals.i32()
const treeSize = locals.i32()
const positionState = locals.i32()
const lengths = locals.i32()
const length = locals.i32()
const distance = locals.i32()
const bits = locals.i32()
const one = locals.i32()
const match = locals.i32()
const matchBit = locals.i32()
const from = locals.i32()
const end = locals.i32()

// --------------------------------------------------------------------------------------------------------------- bits

const normalize = when(isLess(now.range, 0x1000000), [
  set(now.range, shiftLeft(now.range, 8)),
  set(now.code, or(shiftLeft(now.code, 8), load("i64", 8, now.position))),
  set(now.position, add(now.position, 1))
])

const startBit = (address: Value): Statement => [
  normalize,
  set(index, address),
  set(probability, load("i64", 16, index)),
  set(bound, multiply(shiftRight(now.range, 11), probability))
]

/** A bit that is often the same as the last time: the processor guesses it. */
const guessedBit = (address: Value, zero: Statement, one: Statement): Statement => [
  startBit(address),
  when(isLess(now.code, bound), [
    set(now.range, bound),
    store(16, index, add(probability, shiftRight(subtract(2048, probability), 5))),
    zero
  ], [
    set(now.range, subtract(now.range, bound)),
    set(now.code, subtract(now.code, bound)),
    store(16, index, subtract(probability, shiftRight(probability, 5))),
    one
  ])
]

/** A bit that may be either: a wrong guess would cost more than both ways of calculating it. Sets `mask`. */
const evenBit = (address: Value): Statement => [
  startBit(address),
  set(difference, subtract(now.code, bound)),
  set(mask, shiftSigned(difference, 63)),
  set(rest, subtract(now.range, bound)),
  set(now.range, add(rest, and(subtract(bound, rest), mask))),
  set(now.code, add(difference, and(bound, mask))),
  store(16, index, add(probability, shiftSigned(subtract(add(31, and(2017, mask)), probability), 5)))
]

/** A number with one more bit, the last one that `evenBit` decoded. */
const withBit = (value: Value): Value => add(add(shiftLeft(value, 1), 1), low(mask))

/** The address of a probability in an array, which has two bytes. */
const item = (array: Value, number: Value): Value => add(array, shiftLeft(number, 1))

const guessedTree = (name: string, size: Value): Statement => [
  set(symbol, 1),
  loop(
    name,
    guessedBit(item(tree, symbol), set(symbol, shiftLeft(symbol, 1)), set(symbol, or(shiftLeft(symbol, 1), 1))),
    branchIf(name, isLess(symbol, size))
  )
]

const byState = (less: number, other: number): Value => choose(isLess(now.state, 7), less, other)

const atStateAndPosition = (array: number): Value => item(array, add(shiftLeft(now.state, 4), positionState))

// ----------------------------------------------------------------------------------------------------------- literals

/** What is before the start of the window is at its end. */
const comeRound = (otherwise: Statement): Statement =>
  when(isLessSigned(from, windowStart), [
    set(from, add(from, subtract(fixed.windowEnd, windowStart))),
    otherwise
  ])

const refuse: Statement = [store(32, outcome, 2), branch("out")]

const decodeLiteral: Statement = [
  set(
    tree,
    add(
      literal,
      multiply(
        2 * 0x300,
        add(
          shiftLeft(and(at, fixed.lpMask), fixed.lc),
          shiftRight(load("i32", 8, subtract(at, 1)), subtract(8, fixed.lc))
        )
      )
    )
  ),
  set(symbol, 1),
  when(isAtLeast(now.state, 7), [
    when(isAtLeast(now.rep0, subtract(at, fixed.origin)), refuse),
    set(from, subtract(subtract(at, now.rep0), 1)),
    comeRound([]),
    set(match, load("i32", 8, from)),
    // Bits are those of the byte at the last distance until one is not.
    block(
      "matched",
      loop(
        "matched bit",
        set(matchBit, and(shiftRight(match, 7), 1)),
        set(match, shiftLeft(match, 1)),
        guessedBit(item(tree, add(shiftLeft(add(1, matchBit), 8), symbol)), set(bit, 0), set(bit, 1)),
        set(symbol, or(shiftLeft(symbol, 1), bit)),
        branchIf("matched", differs(bit, matchBit)),
        branchIf("matched bit", isLess(symbol, 0x100))
      )
    )
  ]),
  when(
    isLess(symbol, 0x100),
    loop(
      "bit of literal",
      evenBit(item(tree, symbol)),
      set(symbol, withBit(symbol)),
      branchIf("bit of literal", isLess(symbol, 0x100))
    )
  ),
  store(8, at, symbol),
  set(at, add(at, 1)),
  set(
    now.state,
    choose(isLess(now.state, 4), 0, subtract(now.state, choose(isLess(now.state, 10), 3, 6)))
  ),
  branch("next")
]

// ------------------------------------------------------------------------------------------------------------ matches

const moveWord = (to: number, from: number): Statement => store(32, to, load("i32", 32, from))

/** Which of the last distances it is, which becomes the first. The length is 1 if that is decided, too. */
const decodeRepeated: Statement = [
  set(lengths, repLength),
  block(
    "repeated",
    guessedBit(
      item(isRepG0, now.state),
      guessedBit(atStateAndPosition(isRep0Long), [
        set(now.state, byState(9, 11)),
        set(length, 1),
        branch("repeated")
      ], []),
      [
        set(distance, load("i32", 32, rep1)),
        guessedBit(item(isRepG1, now.state), [], [
          set(distance, load("i32", 32, rep2)),
          guessedBit(item(isRepG2, now.state), [], [
            set(distance, load("i32", 32, rep3)),
            moveWord(rep3, rep2)
          ]),
          moveWord(rep2, rep1)
        ]),
        store(32, rep1, now.rep0),
        set(now.rep0, distance)
      ]
    ),
    set(now.state, byState(8, 11))
  )
]

const lengthTree = (offset: Value, base: number, size: number): Statement => [
  set(tree, add(add(lengths, 4), offset)),
  set(length, base),
  set(treeSize, size)
]

const decodeLength: Statement = [
  guessedBit(
    lengths,
    lengthTree(shiftLeft(positionState, 4), 2, 8),
    guessedBit(
      add(lengths, 2),
      lengthTree(add(2 * positionStates * 8, shiftLeft(positionState, 4)), 10, 8),
      lengthTree(2 * positionStates * 16, 18, 256)
    )
  ),
  guessedTree("bit of length", treeSize),
  set(length, subtract(add(length, symbol), treeSize))
]

const decodeDistance: Statement = [
  set(now.state, byState(7, 10)),
  set(tree, add(posSlot - 2 * 2 * 64, shiftLeft(choose(isLess(length, 5), length, 5), 7))),
  guessedTree("bit of slot", 64),
  set(distance, subtract(symbol, 64)),
  when(isAtLeast(distance, 4), [
    set(symbol, distance),
    set(bits, subtract(shiftRight(distance, 1), 1)),
    set(distance, shiftLeft(or(2, and(distance, 1)), bits)),
    set(tree, item(posSpecial, subtract(distance, symbol))),
    when(isAtLeast(symbol, 14), [
      set(match, 0),
      loop(
        "direct",
        normalize,
        set(now.range, shiftRight(now.range, 1)),
        set(difference, subtract(now.code, now.range)),
        set(mask, shiftSigned(difference, 63)),
        set(now.code, add(difference, and(now.range, mask))),
        set(match, withBit(match)),
        set(bits, subtract(bits, 1)),
        branchIf("direct", isGreater(bits, 4))
      ),
      set(distance, add(distance, shiftLeft(match, 4))),
      set(tree, align)
    ]),
    set(symbol, 1),
    set(one, 1),
    loop(
      "low bit",
      evenBit(item(tree, symbol)),
      set(symbol, withBit(symbol)),
      set(distance, add(distance, and(one, xor(-1, low(mask))))),
      set(one, shiftLeft(one, 1)),
      set(bits, subtract(bits, 1)),
      branchIf("low bit", bits)
    )
  ]),
  moveWord(rep3, rep2),
  moveWord(rep2, rep1),
  store(32, rep1, now.rep0),
  set(now.rep0, distance),
  when(equals(now.rep0, -1), [store(32, outcome, 1), branch("out")])
]

const copyByte: Statement = [
  store(8, at, load("i32", 8, from)),
  set(from, add(from, 1)),
  set(at, add(at, 1))
]

const copyMatch: Statement = [
  when(
    or(isAtLeast(now.rep0, subtract(at, fixed.origin)), isAtLeast(now.rep0, load("i32", 32, dictionarySize))),
    refuse
  ),
  set(from, subtract(subtract(at, now.rep0), 1)),
  set(end, add(at, length)),
  comeRound([
    loop(
      "copy before start",
      copyByte,
      when(isLess(at, end), branchIf("copy before start", isLess(from, fixed.windowEnd)))
    ),
    set(from, windowStart)
  ]),
  when(
    isLess(at, end),
    when(isAtLeast(now.rep0, 7), [
      // The last eight bytes may be too many: what they write over is out of the dictionary.
      loop(
        "copy eight",
        store(64, at, load("i64", 64, from)),
        set(from, add(from, 8)),
        set(at, add(at, 8)),
        branchIf("copy eight", isLess(at, end))
      ),
      set(at, end)
    ], loop("copy one", copyByte, branchIf("copy one", isLess(at, end))))
  ),
  branch("next")
]

const decodeMatch: Statement = [
  set(length, 0),
  guessedBit(item(isRep, now.state), set(lengths, matchLength), decodeRepeated),
  when(equals(length, 0), [
    decodeLength,
    when(equals(lengths, matchLength), decodeDistance)
  ]),
  copyMatch
]

// ----------------------------------------------------------------------------------------------------------- function

const body: ReadonlyArray<Statement> = [
  set(now.range, load("i64", 32, range)),
  set(now.code, load("i64", 32, code)),
  set(now.position, load("i32", 32, position)),
  set(now.state, load("i32", 32, state)),
  set(now.rep0, load("i32", 32, rep0)),
  set(fixed.limit, load("i32", 32, limit)),
  set(fixed.lc, load("i32", 32, lc)),
  set(fixed.lpMask, load("i32", 32, lpMask)),
  set(fixed.pbMask, load("i32", 32, pbMask)),
  set(fixed.origin, load("i32", 32, origin)),
  set(fixed.windowEnd, load("i32", 32, windowEnd)),
  block(
    "out",
    loop(
      "next",
      branchIf("out", isAtLeast(at, target)),
      branchIf("out", isGreater(now.position, fixed.limit)),
      set(positionState, and(at, fixed.pbMask)),
      guessedBit(atStateAndPosition(isMatch), decodeLiteral, decodeMatch)
    )
  ),
  normalize,
  store(32, range, now.range),
  store(32, code, now.code),
  store(32, position, now.position),
  store(32, state, now.state),
  store(32, rep0, now.rep0)
]

/** A memory of 1 MiB, in which most files need not grow it. */
const bytes = moduleOf({ memory: "memory", pages: 16, name: "decode", parameters: 2, locals, body, result: at })

const layout = {
  range,
  code,
  position,
  state,
  rep3,
  lc,
  lpMask,
  pbMask,
  limit,
  dictionarySize,
  origin,
  windowEnd,
  outcome,
  probabilities,
  probabilitiesEnd,
  input,
  windowStart
}

/** The text of the module that holds it. */
export const text =
  `/** Written by \`npm run lzma\` from scripts/lzma/module.ts: the loop of the LZMA decoder as a module of WebAssembly. */
export const lzmaModule =
  "${Buffer.from(bytes).toString("base64")}"

/** Where its memory has what. */
export const layout = {
${Object.entries(layout).map(([name, address]) => `  ${name}: ${address}`).join(",\n")}
}
`

export const file = fileURLToPath(
  new URL("../../packages/formats/src/internal/compression/lzmaModule.ts", import.meta.url)
)

if (import.meta.main) writeFileSync(file, text)
