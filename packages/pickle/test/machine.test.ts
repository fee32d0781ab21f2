import {
  Deque,
  FrozenSet,
  loads,
  loadsAt,
  loadsAtSteps,
  type LoadsOptions,
  loadsSteps,
  OrderedDict,
  PickleError,
  PyDict,
  PyObject,
  PySet,
  Tuple
} from "@effect-prefect/pickle"
import { describe } from "@effect-prefect/pickle/testing"
import { assert, describe as suite, it } from "@effect/vitest"
import { maxNumbers, readNumbers, scanItems, scanPairs } from "../src/machine/batches.ts"
import { Machine, maxItems } from "../src/machine/machine.ts"
import { finished } from "../src/machine/unpickle.ts"

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, "latin1"))
const read = (text: string, options: LoadsOptions = {}) => loads(bytes(text), options)

const refusal = (text: string, options: LoadsOptions = {}): PickleError => {
  try {
    read(text, options)
  } catch (error) {
    if (error instanceof PickleError) return error
    throw error
  }
  throw new Error(`it was taken: ${JSON.stringify(text)}`)
}

const little = (value: number, width: number): string =>
  Array.from({ length: width }, (_, at) => String.fromCharCode(Math.floor(value / 256 ** at) % 256)).join("")

const short = (value: number) => `M${little(value, 2)}`
/** 1.0, which is not the integer 1 where floats are typed. */
const one = "G?\xf0\0\0\0\0\0\0"

it("a long list goes on after an instruction whose last byte looks like that of a number", () => {
  const numbers = (count: number) => "K\x07".repeat(count)
  // The list is fetched by its memo key, which is the code of BININT1.
  const list = read(`]qK(${numbers(maxNumbers)}e0hK(${numbers(1_200)}e.`) as ReadonlyArray<number>
  assert.strictEqual(list.length, maxNumbers + 1_200)
  assert.isTrue(list.every((item) => item === 7))
})

suite("more items than V8 makes an array for at once", () => {
  const few = 2 ** 17
  const machine = (text: string, items?: number) => new Machine(bytes(text), 0, {}, items)

  it("are more than 2^25", () => {
    assert.strictEqual(maxItems, 2 ** 25)
    assert.strictEqual(machine("N.").maxItems, maxItems)
  })
  it("are read, and the list is not extended for them", () => {
    const batches = `(${"K\x01".repeat(1_000)}e`.repeat(10)
    for (const [items, extended] of [[10_003, [10_003]], [10_002, []]] as const) {
      const list = [7, 7, 7]
      const lengths: Array<unknown> = []
      const watched = new Proxy(list, {
        set: (target, key, value) => {
          if (key === "length") lengths.push(value)
          return Reflect.set(target, key, value)
        }
      })
      const reading = machine(`${batches}.`, items)
      assert.strictEqual(readNumbers(reading, watched, 0), 10_000)
      assert.strictEqual(reading.p, batches.length)
      assert.deepStrictEqual(lengths, [...extended])
      assert.deepStrictEqual(list, [7, 7, 7, ...Array.from({ length: 10_000 }, () => 1)])
    }
    const count = maxNumbers + few
    const { value } = finished(machine(`](${`${"K\x01".repeat(1_000)}e(`.repeat(count / 1_000)}e.`, few))
    assert.lengthOf(value as [], Math.floor(count / 1_000) * 1_000)
  })
  it("are refused on the stack", () => {
    const pickle = (count: number) => `](${"N".repeat(count)}e.`
    assert.lengthOf(finished(machine(pickle(few - 1), few)).value as [], few - 1)
    let refused: unknown
    try {
      finished(machine(pickle(few + 20_000), few))
    } catch (error) {
      refused = error
    }
    assert.instanceOf(refused, PickleError)
    const { limit, message, reason } = refused as PickleError
    assert.deepStrictEqual([reason, limit], ["LimitExceeded", "values"])
    assert.match(message, /too many values at once at byte \d+ \(NONE\): expected at most 131072/)
  })
})

/** One of each instruction that reads from the input, behind what it takes from the stack. */
const instructions: ReadonlyArray<readonly [name: string, instruction: string, before?: string]> = [
  ["BININT1", "K\x01"],
  ["BININT2", "M\x01\x02"],
  ["BININT", "J\x01\x02\x03\x04"],
  ["LONG1", "\x8a\x03\x01\x02\x03"],
  ["LONG4", "\x8b\x03\0\0\0\x01\x02\x03"],
  ["BINFLOAT", one],
  ["INT", "I17\n"],
  ["LONG", "L17L\n"],
  ["FLOAT", "F1.5\n"],
  ["SHORT_BINUNICODE", "\x8c\x02ab"],
  ["BINUNICODE", "X\x02\0\0\0ab"],
  ["BINUNICODE8", "\x8d\x02\0\0\0\0\0\0\0ab"],
  ["UNICODE", "Vab\n"],
  ["STRING", "S'ab'\n"],
  ["BINSTRING", "T\x02\0\0\0ab"],
  ["SHORT_BINSTRING", "U\x02ab"],
  ["SHORT_BINBYTES", "C\x02ab"],
  ["BINBYTES", "B\x02\0\0\0ab"],
  ["BINBYTES8", "\x8e\x02\0\0\0\0\0\0\0ab"],
  ["BYTEARRAY8", "\x96\x02\0\0\0\0\0\0\0ab"],
  ["BINPUT", "q\0", "N"],
  ["LONG_BINPUT", "r\0\0\0\0", "N"],
  ["PUT", "p0\n", "N"],
  ["BINGET", "h\0", "\x8c\x01a\x94"],
  ["LONG_BINGET", "j\0\0\0\0", "\x8c\x01a\x94"],
  ["GET", "g0\n", "\x8c\x01a\x94"],
  ["GLOBAL", "cm\nC\n"],
  ["INST", "im\nC\n", "("],
  ["PERSID", "Pab\n"],
  ["EXT1", "\x82\x01"],
  ["EXT2", "\x83\x01\0"],
  ["EXT4", "\x84\x01\0\0\0"],
  ["PROTO", "\x80\x02"]
]

suite("an input that is cut off", () => {
  for (const [name, instruction, before = ""] of instructions) {
    it(`inside ${name}`, () => {
      for (const start of ["", "](", "}("]) {
        const lead = start + before
        for (let length = 1; length < instruction.length; length++) {
          const { opcode, position, reason } = refusal(lead + instruction.slice(0, length))
          assert.deepStrictEqual({ opcode, position, reason }, {
            opcode: name,
            position: lead.length,
            reason: "Truncated"
          })
        }
        const { opcode, position, reason } = refusal(`${lead}${instruction}`, {
          extensions: { 1: "m.C" },
          persistentLoad: String
        })
        assert.deepStrictEqual({ opcode, position, reason }, {
          opcode: null,
          position: lead.length + instruction.length,
          reason: "Truncated"
        })
      }
    })
  }
  it("a frame is there to its last byte, or the pickle is refused", () => {
    assert.strictEqual(read("\x80\x04\x95\x03\0\0\0\0\0\0\0K\x01."), 1)
    assert.strictEqual(refusal("\x80\x04\x95\x04\0\0\0\0\0\0\0K\x01.").reason, "BadFrame")
    const batch = (length: string) => `](K\x01\x95${length}\0\0\0\0\0\0\0K\x02e.`
    assert.deepStrictEqual(read(batch("\x04")), [1, 2])
    assert.strictEqual(refusal(batch("\x05")).reason, "BadFrame")
  })
})

suite("what an instruction cannot use", () => {
  const refused: ReadonlyArray<readonly [what: string, pickle: string, reason: string]> = [
    ["a state that is not a dict", "ccollections\nOrderedDict\n)RK\x01b.", "BadValue"],
    ["a state of three", "ccollections\nOrderedDict\n)R(NNNtb.", "BadValue"],
    ["a state for None", "N}b.", "BadValue"],
    ["a member for a frozenset", "(\x91(K\x01\x90.", "BadValue"],
    ["a member for a list", "](K\x01\x90.", "BadValue"],
    ["members without what takes them", "(K\x01\x90.", "StackUnderflow"],
    ["members without a MARK", "\x8fK\x01\x90.", "MissingMark"],
    ["an item for a tuple", ")K\x01a.", "BadValue"],
    ["an item for None", "NK\x01a.", "BadValue"],
    ["items for a tuple", ")(K\x01e.", "BadValue"],
    ["entries for a tuple", "K\x01\x85(K\0Nu.", "BadValue"],
    ["an entry for None", "NK\x01Ns.", "BadValue"],
    ["an entry after the end of a list", "]NaK\x01Ns.", "BadValue"],
    ["an entry before the start of a list", "]NaJ\xfe\xff\xff\xffNs.", "BadValue"],
    ["a name for a place in a list", "]Na\x8c\x01aNs.", "BadValue"],
    ["a byte after the end of a bytearray", "\x96\x01\0\0\0\0\0\0\0aK\x01K\x02s.", "BadValue"],
    ["a byte before the start of a bytearray", "\x96\x01\0\0\0\0\0\0\0aJ\xff\xff\xff\xffK\x02s.", "BadValue"],
    ["a text for a byte", "\x96\x01\0\0\0\0\0\0\0aK\0\x8c\x01as.", "BadValue"],
    ["a module that is no text", "K\x01\x8c\x01a\x93.", "BadValue"],
    ["a name that is no text", "\x8c\x01aK\x01\x93.", "BadValue"],
    ["a module without a name", "c\nC\n.", "Truncated"],
    ["a name that is empty", "cm\n\n.", "Truncated"],
    ["an object of arguments that are a list", "cm\nC\n]\x81.", "BadValue"],
    ["keywords with arguments that are a list", "cm\nC\n]}\x92.", "BadValue"],
    ["keywords that are a list", "cm\nC\n)]\x92.", "BadValue"],
    ["an object of nothing", "N(o.", "StackUnderflow"],
    ["a buffer that is a number", "K\x01\x98.", "BadValue"],
    ["an integer of negative length", "\x8b\xff\xff\xff\xff.", "BadNumber"],
    ["a string of negative length", "T\xff\xff\xff\xff.", "BadText"],
    ["a string that is one quote", "S'\n.", "BadText"],
    ["a string that ends with another quote", "S'a\"\n.", "BadText"],
    ["a string that ends without one", "S'a\n.", "BadText"],
    ["a memo index that no number holds", "Np9007199254740992\n.", "MissingMemo"],
    ["an extension code of 0", "\x82\0.", "Unresolved"],
    ["a negative extension code", "\x84\xff\xff\xff\xff.", "Unresolved"],
    ["a value below a MARK", "N(\x94.", "StackUnderflow"],
    ["two values where three are taken", "NN\x87.", "StackUnderflow"],
    ["one value where two are taken", "N\x86.", "StackUnderflow"],
    ["no value where one is taken", "\x85.", "StackUnderflow"],
    ["a key without a value", "(K\x01d.", "BadValue"],
    ["a MARK where nothing is left of it", "1.", "MissingMark"],
    ["a list below the MARK that is left", "](K\x01(K\x021a.", "StackUnderflow"],
    ["to memoize a value below a MARK", "N(\x94l.", "StackUnderflow"],
    ["to put a value below a MARK at a short index", "N(q\0l.", "StackUnderflow"],
    ["to put a value below a MARK at a long index", "N(r\0\0\0\0l.", "StackUnderflow"],
    ["to put a value below a MARK at an index in text", "N(p0\nl.", "StackUnderflow"]
  ]
  for (const [what, pickle, reason] of refused) {
    it(`${what}: ${reason}`, () => {
      assert.strictEqual(refusal(pickle).reason, reason)
    })
  }
  it("the largest of each is taken", () => {
    assert.instanceOf(read("ccollections\nOrderedDict\n)RNb."), OrderedDict)
    assert.instanceOf(read("ccollections\nOrderedDict\n)RN}\x86b."), OrderedDict)
    assert.deepStrictEqual(read("]NaNaK\x01K\x07sJ\xfe\xff\xff\xffK\x08s."), [8, 7])
    assert.deepStrictEqual([...read("\x96\x02\0\0\0\0\0\0\0abK\x01K\x07sK\0K\x08s.") as Uint8Array], [8, 7])
    assert.strictEqual(read("S''\n."), "")
    assert.strictEqual(read("I01\n.", { integers: "bigint" }), true)
    assert.deepStrictEqual([...read("(K\x01\x8c\x01ad.") as PyDict], [[1, "a"]])
    assert.deepStrictEqual(Object.entries(read("(\x8c\x01aK\x01d.") as object), [["a", 1]])
    assert.strictEqual(read("Np9007199254740991\n0\x8c\x01a."), "a")
    assert.strictEqual(String(read("\x84\xff\xff\xff\x7f.", { extensions: { 0x7fffffff: "m.C" } })), "m.C")
    assert.strictEqual(read("C\x01a\x98.") instanceof Uint8Array, true)
    assert.strictEqual(read("K\x01(0."), 1)
    assert.strictEqual(read("K\x01(K\x02K\x031."), 1)
    assert.strictEqual(read("K\x01K\x020."), 1)
  })
  it("a call of what is no class is refused, and a large call of a replaced class is that of the replacement", () => {
    assert.strictEqual(refusal("N)R.").reason, "BadValue")
    const many = `cbuiltins\nset\n](${"K\x01".repeat(70_000)}e\x85R.`
    assert.instanceOf(read(many), PySet)
    const classes = {
      "builtins.set": { create: ([items]: ReadonlyArray<unknown>) => (items as Array<unknown>).length }
    }
    assert.strictEqual(read(many, { classes }), 70_000)
  })
  it("says whether there is nothing where a value should be, or a MARK", () => {
    assert.match(refusal("\x85.").message, /nothing on the stack/)
    assert.match(refusal("(\x85.").message, /nothing on the stack/)
    assert.match(refusal("N(\x85.").message, /a MARK where a value should be/)
  })
  it("an object without keywords has none, one with keywords has them", () => {
    assert.isNull((read("cm\nC\n)}\x92.") as PyObject).kwargs)
    assert.deepStrictEqual({ ...(read("cm\nC\n)}\x8c\x01aK\x01s\x92.") as PyObject).kwargs as object }, { a: 1 })
    assert.isNull((read("cm\nC\n)}\x92.", { dicts: "map" }) as PyObject).kwargs)
    assert.strictEqual(
      ((read("cm\nC\n)}\x8c\x01aK\x01s\x92.", { dicts: "map" }) as PyObject).kwargs as PyDict).get("a"),
      1
    )
  })
  it("an object by INST and OBJ has the arguments above the MARK", () => {
    for (const pickle of ["(K\x01K\x02im\nC\n.", "(cm\nC\nK\x01K\x02o."]) {
      const value = read(pickle) as PyObject
      assert.deepStrictEqual([value.className, [...value.args]], ["m.C", [1, 2]])
    }
  })
})

suite("an error inside an error", () => {
  const classes = (create: () => unknown) => ({ classes: { "m.C": { create } } })
  it("of a pickle that a decoder reads says where in that pickle", () => {
    const { opcode, position } = refusal("NNcm\nC\n)R.", classes(() => read("K\x01K")))
    assert.deepStrictEqual([position, opcode], [2, "BININT1"])
  })
  it("that an engine's limit caused is a limit, any other is passed on", () => {
    const { opcode, position, reason } = refusal("NNcm\nC\n)R.", classes(() => "a".repeat(2 ** 40)))
    assert.deepStrictEqual([reason, position, opcode], ["LimitExceeded", 8, "REDUCE"])
    const cause = new TypeError("mine")
    const of = classes(() => {
      throw cause
    })
    assert.throws(() => read("cm\nC\n)R.", of), TypeError, "mine")
  })
  it("only bytes are read", () => {
    assert.throws(() => loads("N." as unknown as Uint8Array), TypeError)
  })
})

suite("many values written in batches, one by one or at once", () => {
  const values = [
    "N",
    "\x88",
    "\x89",
    "K\xff",
    "M\xff\xff",
    "J\xff\xff\xff\xff",
    "J\x01\x02\x03\x04",
    "\x8a\x01\xff",
    "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
    one,
    one,
    "\x8c\x01a",
    "\x8c\x01b\x94",
    "\x8c\x02\xc3\xa9q\x01",
    "\x8c\x01cr\x02\0\0\0",
    "X\x01\0\0\0d",
    "X\x01\0\0\0e\x94",
    "h\x01",
    "h\0",
    "j\x02\0\0\0",
    "j\x03\0\0\0",
    "X\x01\0\0\0fq\x04",
    "j\x04\0\0\0",
    "K\x05"
  ]
  const keys = ["\x8c\x01a", "\x8c\x01b\x94", "\x8c\x01cq\x01", "\x8c\x01cr\x02\0\0\0"].concat(
    ["X\x01\0\0\0d", "X\x01\0\0\0e\x94", "h\x01", "j\x02\0\0\0"]
  )
  const frame = `\x95${"\0".repeat(8)}`
  const variants: ReadonlyArray<LoadsOptions> = [
    {},
    { integers: "bigint" },
    { floats: "typed" },
    { dicts: "map" },
    { strings: "separate" }
  ]
  /** What the pickles give under each of the options, and what the first of them gives, as often. */
  const formsOf = (pickles: ReadonlyArray<string>) => {
    const found = variants.flatMap((options) => pickles.map((pickle) => describe(read(pickle, options))))
    return { found, first: found.map((_, at) => found[at - at % pickles.length]) }
  }
  it("are the same list, with the same memo", () => {
    const memo = "h\x03"
    const { first, found } = formsOf([
      `](${values.join("")}${memo}e.`,
      `(${values.join("")}${memo}l.`,
      `]${values.map((value) => `${value}a`).join("")}${memo}a.`,
      `](${values.join(frame)}${frame}${memo}e.`,
      `](${values.slice(0, 9).join("")}e(${values.slice(9).join("")}${memo}e.`
    ])
    assert.deepStrictEqual(found, first)
  })
  it("are what they were written as", () => {
    assert.deepStrictEqual(read(`](${values.join("")}e.`), [
      null,
      true,
      false,
      255,
      65_535,
      -1,
      0x04030201,
      -1,
      0x7fffffffffffffffn,
      1,
      1,
      "a",
      "b",
      "\u00e9",
      "c",
      "d",
      "e",
      "\u00e9",
      "b",
      "c",
      "e",
      "f",
      "f",
      5
    ])
  })
  it("are the same dict, with keys of every form and from the memo", () => {
    const names = values.map((_, at) =>
      at % 4 === 0
        ? `X\x03\0\0\0k${String.fromCharCode(65 + at)}x`
        : `\x8c\x02k${String.fromCharCode(65 + at)}`
    )
    const pairs = values.map((value, at) => `${names[at]}${value}`)
    const { first, found } = formsOf([
      `}(${pairs.join("")}u.`,
      `(${pairs.join("")}d.`,
      `}${pairs.map((pair) => `${pair}s`).join("")}.`,
      `}(${values.map((value, at) => `${names[at]}${frame}${value}${frame}`).join("")}u.`,
      `}(${pairs.slice(0, 9).join("")}u(${pairs.slice(9).join("")}u.`
    ])
    assert.deepStrictEqual(found, first)
    for (const other of ["K\x01", "\x8c\x0217", one, "N"]) {
      const put = "\x8c\x01w\x94K\x01"
      const all = `${put}${pairs.slice(0, 8).join("")}${other}K\x07${pairs.slice(8, 12).join("")}h\0K\x09`
      const each = [put, ...pairs.slice(0, 8), `${other}K\x07`, ...pairs.slice(8, 12), "h\0K\x09"]
      const { first, found } = formsOf([`}(${all}u.`, `(${all}d.`, `}${each.map((pair) => `${pair}s`).join("")}.`])
      assert.deepStrictEqual(found, first)
    }
  })
  it("texts with floats are the same dict, memoized or not", () => {
    const pair = (at: number) => `\x8c\x01${String.fromCharCode(97 + at)}\x94${one}`
    const plain = `\x8c\x01x${one}\x8c\x01y\x94K\x01`
    const pairs = [pair(0), pair(1), pair(2)]
    const { first, found } = formsOf([
      `}(K\x01N${pairs.join("")}${plain}${pair(3)}h\x02Nh\x04Nu.`,
      `(K\x01N${pairs.join("")}${plain}${pair(3)}h\x02Nh\x04Nd.`,
      `}(K\x01Nu(${pairs.join("")}${plain}${pair(3)}h\x02Nh\x04Nu.`
    ])
    assert.deepStrictEqual(found, first)
  })
  it("are recognized up to their end, and nothing else is", () => {
    const ends: ReadonlyArray<readonly [text: string, scan: (input: Uint8Array, start: number) => number]> = [
      [`${values.join("")}${values.join(frame)}e`, scanItems],
      [`${values.map((value) => `\x8c\x01a${frame}${value}`).join("")}u`, scanPairs],
      [`${keys.map((key) => `${key}N${frame}`).join("")}u`, scanPairs]
    ]
    for (const [text, scan] of ends) {
      assert.strictEqual(scan(bytes(`..${text}N.`), 2), 1 + text.length)
      const close = text.length - 1
      assert.strictEqual(scan(bytes(text.slice(0, close)), 0), -1)
      for (const other of ["e", "u", "]", ")", "("]) {
        if (!text.endsWith(other)) assert.strictEqual(scan(bytes(`${text.slice(0, close)}${other}`), 0), -1, other)
      }
    }
    assert.strictEqual(scanPairs(bytes("\x8c\x01au"), 0), -1)
    assert.strictEqual(scanPairs(bytes("K\x01Nu"), 0), -1)
    assert.strictEqual(scanItems(bytes(`${"N".repeat(0x7fff)}e`), 0), 0x7fff)
    assert.strictEqual(scanItems(bytes(`${"N".repeat(0x8000)}e`), 0), -1)
  })
  it("numbers in full batches, whatever their width", () => {
    const batch = (from: number) => {
      const numbers: Array<number> = []
      let text = ""
      for (let at = from; at < from + 1_000; at++) {
        const kind = at % 5
        if (kind === 4) {
          numbers.push(1)
          text += one
        } else if (kind === 3) {
          numbers.push(-at)
          text += `J${little(2 ** 32 - at, 4)}`
        } else {
          numbers.push(kind === 0 ? at % 256 : at)
          text += kind === 0 ? `K${little(at % 256, 1)}` : short(at)
        }
      }
      return { numbers, text }
    }
    const parts = [batch(1_000), batch(2_000), batch(3_000)]
    const numbers = parts.flatMap((part) => part.numbers)
    for (const between of ["", frame]) {
      const text = parts.map((part) => `(${part.text}e`).join(between)
      const pickle = `]${text}(K\x07K\x08e\x8c\x01aa.`
      assert.deepStrictEqual(read(pickle), [...numbers, 7, 8, "a"])
      assert.deepStrictEqual((read(pickle, { floats: "typed" }) as Array<unknown>).map(String), [
        ...numbers.map((number, at) => at % 5 === 4 ? "1.0" : `${number}`),
        "7",
        "8",
        "a"
      ])
      const { length } = numbers
      assert.strictEqual(refusal(pickle, { limits: { values: length } }).limit, "values")
    }
  })
})

suite("the memory of the values so far", () => {
  const yielded = (pickle: string, most = Infinity) => {
    const seen: Array<number> = []
    for (const memory of loadsSteps(bytes(pickle))) {
      seen.push(memory)
      if (memory > most) break
    }
    return seen
  }
  it("is told before very many values of an instruction of one byte are made", () => {
    const count = 2_000_000
    for (const value of ["N", "\x88", "]", "}", ")", "N0"]) {
      // A step makes 20 000 values at most.
      assert.isBelow(yielded(`](${value.repeat(count / value.length)}e.`, 8 * count - 1).length, 20, value)
    }
    assert.isBelow(yielded(`]${"Na".repeat(count / 2)}.`, 8 * count - 1).length, 20)
  })
  it("is never told as more than the values take in the end", () => {
    for (const pickle of [`]${`(${"N".repeat(1_000)}e`.repeat(100)}.`, `](${"})".repeat(50_000)}e.`]) {
      const seen = yielded(pickle)
      // A part of a step is not told.
      assert.isAtMost(Math.max(...seen), seen.at(-1)! + 72 * 20_000)
    }
  })
})

suite("one instruction on more values than are taken at once", () => {
  const count = 0x8002
  const all = Array.from({ length: count }, (_, at) => at)
  const text = all.map(short).join("")
  // A value that no batch takes.
  const tuple = ")"
  const pairs = all.filter((at) => at % 2 === 0).map((at) => `X\x06\0\0\0k${`${at}`.padStart(5, "0")}${short(at)}`)
  const names = all.filter((at) => at % 2 === 0).map((at) => `k${`${at}`.padStart(5, "0")}`)
  const steps = (pickle: string, options: LoadsOptions = {}) => {
    const work = loadsSteps(bytes(pickle), options)
    let yields = 0
    for (;;) {
      const { done, value } = work.next()
      if (done === true) return { value, yields }
      yields++
    }
  }
  it("counts the members of a set that are added like instructions, but not for the limit", () => {
    const pickle = `\x8f${
      all.slice(0, 30_000).map((at) => `${at % 1_000 === 0 ? "(" : ""}${short(at)}${at % 1_000 === 999 ? "\x90" : ""}`)
        .join("")
    }.`
    const instructions = 30_062
    const { value, yields } = steps(pickle, { limits: { values: instructions } })
    assert.strictEqual((value as PySet).size, 30_000)
    assert.isAtLeast(yields, 3)
    assert.throws(() => steps(pickle, { limits: { values: instructions - 1 } }), PickleError, /too many instructions/)
  })
  it("gives all of them, in order, and lets others work between", () => {
    for (
      const pickle of [
        `(${text}l.`,
        `(${text}t.`,
        `](${tuple}${text}e.`,
        `]q\0(${tuple}${text}eh\0.`,
        `ccollections\ndeque\n)R(${tuple}${text}e.`
      ]
    ) {
      const got = steps(pickle)
      assert.deepStrictEqual((got.value as ReadonlyArray<number>).slice(-count), all)
      assert.isAtLeast(got.yields, 4)
    }
    assert.instanceOf(read(`(${text}t.`), Tuple)
    assert.instanceOf(read(`ccollections\ndeque\n)R(${tuple}${text}e.`), Deque)
  })
  it("gives sets all of them", () => {
    for (const pickle of [`(${text}\x91.`, `\x8f(${text}\x90.`]) {
      const got = steps(pickle)
      assert.deepStrictEqual([...got.value as PySet], all)
      assert.isAtLeast(got.yields, 4)
    }
    assert.instanceOf(read(`(${text}\x91.`), FrozenSet)
    assert.isFalse(read(`\x8f(${text}\x90.`) instanceof FrozenSet)
  })
  it("gives dicts all of them", () => {
    for (const pickle of [`(${pairs.join("")}d.`, `}(\x8c\x01x)${pairs.join("")}u.`]) {
      const got = steps(pickle)
      assert.deepStrictEqual(Object.keys(got.value as object).slice(-names.length), names)
      assert.strictEqual((got.value as Record<string, unknown>)["k00002"], 2)
      assert.isAtLeast(got.yields, 4)
      assert.isBelow(got.yields, 40)
      const map = read(pickle, { dicts: "map" }) as PyDict
      assert.deepStrictEqual([...map.keys()].slice(-names.length), names)
    }
  })
  it("makes a PyDict of the dict, for all who hold it, when a late key needs one", () => {
    const [first, second] = read(`(}q\0(${pairs.join("")}\x8c\x017K\x01uh\0l.`) as ReadonlyArray<PyDict>
    assert.instanceOf(first, PyDict)
    assert.strictEqual(first, second)
    assert.deepStrictEqual([...first!.keys()], [...names, "7"])
    assert.deepStrictEqual([...(read(`(${pairs.join("")}K\x05Nd.`) as PyDict).keys()], [...names, 5])
  })
  it("refuses what takes none of them", () => {
    const refused: ReadonlyArray<readonly [pickle: string, reason: string]> = [
      [`N(${text}e.`, "BadValue"],
      [`N(${text}\x90.`, "BadValue"],
      [`(\x91(${text}\x90.`, "BadValue"],
      [`N(${text}u.`, "BadValue"],
      [`}(${text}Nu.`, "BadValue"],
      [`(${text}Nd.`, "BadValue"],
      [`(${text}e.`, "StackUnderflow"],
      [`(${text}u.`, "StackUnderflow"],
      [`(${text}\x90.`, "StackUnderflow"]
    ]
    for (const [pickle, reason] of refused) assert.strictEqual(refusal(pickle).reason, reason)
  })
})

suite("the memo", () => {
  it("may have gaps, which later entries close", () => {
    const pickle = "(\x8c\x01aq\x02\x8c\x01bq\x04\x8c\x01cq\0\x8c\x01dq\x01\x8c\x01eq\x03\x8c\x01f\x94" +
      "h\0h\x01h\x02h\x03h\x04h\x05l."
    assert.deepStrictEqual((read(pickle) as Array<unknown>).slice(6), ["c", "d", "a", "e", "b", "f"])
  })
  it("takes another value for an index, below a gap and above it", () => {
    for (const put of ["q\x01", "r\x01\0\0\0", "p1\n"]) {
      assert.deepStrictEqual(read(`(\x8c\x01a${put}\x8c\x01b${put}h\x01l.`), ["a", "b", "b"])
      assert.deepStrictEqual(read(`(\x8c\x01x\x94\x8c\x01a${put}\x8c\x01b${put}h\x01h\0l.`), ["x", "a", "b", "b", "x"])
    }
  })
  it("at its limit takes another value for an index, and no other index", () => {
    const limits = { memo: 1 }
    for (const put of ["q\x05", "r\x05\0\0\0", "p5\n", "q\0", "r\0\0\0\0", "p0\n"]) {
      const index = put.startsWith("p") ? `g${put.slice(1)}` : put.startsWith("q") ? `h${put[1]}` : `j${put.slice(1)}`
      assert.deepStrictEqual(read(`(\x8c\x01a${put}\x8c\x01b${put}${index}l.`, { limits }), ["a", "b", "b"])
      for (const other of ["\x94", "q\x07", "r\x07\0\0\0", "p7\n"]) {
        assert.strictEqual(refusal(`\x8c\x01a${put}\x8c\x01b${other}.`, { limits }).limit, "memo")
      }
    }
  })
  it("gives the dict that took the place of another", () => {
    const [first, second, third] = read("(}q\0h\0K\x01Ns\x8c\x01aK\x02sh\0l.") as ReadonlyArray<PyDict>
    assert.instanceOf(first, PyDict)
    assert.strictEqual(second, first)
    assert.strictEqual(third, first)
    assert.strictEqual(first!.get("a"), 2)
  })
})

suite("limits, to the last that is taken", () => {
  /** The smallest limit at which a pickle is taken. */
  const least = (name: "values" | "memo" | "repetition" | "integerBytes" | "depth" | "memory", pickle: string) => {
    let refused = -1
    let taken = 0x10000000
    while (taken - refused > 1) {
      const middle = Math.floor((taken + refused) / 2)
      try {
        read(pickle, { limits: { [name]: middle } })
        taken = middle
      } catch (error) {
        if (!(error instanceof PickleError) || error.limit !== name) throw error
        refused = middle
      }
    }
    return taken
  }
  it("memo: as many as there are entries", () => {
    for (
      const value of ["N\x94", "\x8c\x01a\x94", `\x8c\x01k\x94${one}`]
    ) {
      for (const [start, end] of [["(", "l"], ["](", "e"], ["(", "t"]] as const) {
        assert.strictEqual(least("memo", `${start}${value.repeat(7)}${end}.`), 7, value)
      }
    }
    for (const width of [1, 4]) {
      const put = (at: number) => `\x8c\x01a${width === 1 ? "q" : "r"}${little(at, width)}`
      const puts = [0, 1, 2, 3, 4, 5, 6].map(put).join("")
      for (const pickle of [`(${puts}l.`, `](${puts}e.`]) assert.strictEqual(least("memo", pickle), 7)
    }
    assert.strictEqual(
      least("memo", `}(${Array.from({ length: 7 }, (_, at) => `\x8c\x01${at}\x94${one}`).join("")}u.`),
      7
    )
  })
  it("repetition: as many characters as are fetched again", () => {
    const put = "\x8c\x0aabcdefghij\x94"
    for (const get of ["h\0", "j\0\0\0\0", "g0\n", "2"]) {
      assert.strictEqual(least("repetition", `(${put}${get}${get}${get}l.`), 30, get)
    }
    for (const get of ["h\0", "j\0\0\0\0"]) {
      assert.strictEqual(least("repetition", `${put}](${get}${get}${get}e.`), 30, get)
      assert.strictEqual(least("repetition", `${put}](${get}N${get}N${get}e.`), 30, get)
    }
    const { position } = refusal(`(${put}g0\ng0\ng0\nNNl.`, { limits: { repetition: 29 } })
    assert.strictEqual(position, 1 + put.length + 6)
    assert.strictEqual(least("repetition", `(C\x0aabcdefghij\x94h\0h\0l.`), 20)
    assert.strictEqual(least("repetition", `(]\x94h\0h\0l.`), 0)
  })
  it("integerBytes: the bytes of an integer, or of as many digits", () => {
    assert.strictEqual(least("integerBytes", `\x8b${little(300, 4)}${"\x01".repeat(300)}.`), 300)
  })
  it("values: as many as there are instructions, in batches too", () => {
    const nulls = "N".repeat(50)
    const some = least("values", `(${nulls}l.`)
    assert.strictEqual(least("values", `(${nulls}N0l.`), some + 2)
    assert.strictEqual(least("values", `](${nulls}e.`), least("values", `](${nulls}Ne.`) - 1)
    const pairs = Array.from({ length: 20 }, (_, at) => `\x8c\x02${at + 10}N`).join("")
    const more = `${pairs}\x8c\x02xyN`
    assert.strictEqual(least("values", `}(${pairs}u.`), least("values", `}(${more}u.`) - 2)
    assert.strictEqual(least("values", `}K\x01Ns(${pairs}u.`), least("values", `}K\x01Ns(${more}u.`) - 2)
    const floats = pairs.replaceAll("N", one)
    assert.strictEqual(least("values", `}K\x01Ns(${floats}u.`), least("values", `}K\x01Ns(${pairs}u.`))
  })
  it("memory: some for each value, more for what takes more", () => {
    const each = (value: string, count = 50) =>
      (least("memory", `(${value.repeat(count)}l.`) - least("memory", "(l.")) / count
    const number = each("K\x01")
    assert.isAbove(number, 0)
    for (
      const [value, from, to] of [
        [one, 8, 64],
        ["\x8c\x01a", 16, 100],
        [`\x8c\xc8${"x".repeat(200)}`, 200, 400],
        [`X\xc8\0\0\0${"x".repeat(200)}`, 200, 400],
        ["C\x01a", 64, 256],
        ["]", 32, 128],
        ["}", 32, 128],
        [")", 32, 128],
        ["N\x85", 48, 256],
        ["NN\x86", 48, 256],
        ["NNN\x87", 48, 256],
        ["(NNNt", 48, 256],
        ["\x8f", 128, 512],
        ["cm\nC\n)\x81", 128, 512],
        ["cm\nC\n)R", 128, 512]
      ] as const
    ) {
      const took = each(value)
      assert.isAtLeast(took, from, JSON.stringify(value))
      assert.isAtMost(took, to, JSON.stringify(value))
    }
    const pickle = `(${"N".repeat(0x9000)}t.`
    assert.strictEqual(refusal(pickle, { limits: { memory: 15 * 0x9000 } }).limit, "memory")
    const texts = (length: number) => least("memory", `](${"\x8c\x01a".repeat(length)}e.`)
    assert.isAtLeast(texts(60) - texts(50), 10 * 32)
    const memoized = (length: number) => least("memory", `](${"\x8c\x01a\x94".repeat(length)}e.`)
    assert.isAtLeast(memoized(60) - memoized(50), 10 * 32)
    const map = "}", key = (at: number) => `\x8c\x02${at + 10}\x94${one}`
    const floats = (length: number) =>
      least("memory", `${map}K\x01Ns(${Array.from({ length }, (_, at) => key(at)).join("")}u.`)
    assert.isAtLeast(floats(60) - floats(50), 10 * 32)
  })
  it("depth: as deep as values are nested, whatever nests them", () => {
    assert.strictEqual(least("depth", `${"]".repeat(30)}${"a".repeat(29)}.`), 30)
    assert.strictEqual(least("depth", `N${"\x85".repeat(30)}.`), 30)
    assert.strictEqual(least("depth", `N${"N\x86".repeat(30)}.`), 30)
    assert.strictEqual(least("depth", `NN${"\x86N".repeat(29)}\x86.`), 30)
    assert.strictEqual(least("depth", `N${"NN\x87".repeat(30)}.`), 30)
    assert.strictEqual(least("depth", `NN${"\x86NN\x87N".repeat(15)}\x86.`), 31)
    assert.strictEqual(least("depth", `${"(".repeat(30)}${"t".repeat(30)}.`), 30)
    assert.strictEqual(least("depth", `${"(".repeat(30)}${"l".repeat(30)}.`), 30)
    assert.strictEqual(least("depth", `${"(".repeat(30)}N${"\x91".repeat(30)}.`), 30)
  })
})

suite("in steps", () => {
  const many = `(${"N0".repeat(60_000)}K\x07l.`
  it("a pickle at an offset says where it ends, and yields its memory", () => {
    const input = bytes(`K\x01.${many}K\x02.`)
    const work = loadsAtSteps(input, 3)
    const memory: Array<number> = []
    for (;;) {
      const step = work.next()
      if (step.done === true) {
        assert.deepStrictEqual(step.value, loadsAt(input, 3))
        assert.strictEqual(step.value.end, 3 + many.length)
        break
      }
      memory.push(step.value)
    }
    assert.isAtLeast(memory.length, 5)
    assert.deepStrictEqual(memory, memory.toSorted((left, right) => left - right))
    assert.isAbove(memory.at(-1)!, memory[0]!)
  })
  it("a pickle that is refused is refused as at once", () => {
    const work = loadsSteps(bytes("K\x01K"))
    assert.throws(() => work.next(), PickleError, /at byte 2 \(BININT1\)/)
    assert.throws(() => loadsSteps(bytes("N."), { limits: { bytes: 1 } }).next(), PickleError, /too long/)
  })
})
