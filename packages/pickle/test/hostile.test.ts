import { type Index, loads, loadsAll, type NdArray, PickleError, PyDict, PyObject, Tuple } from "@effect-prefect/pickle"
import { describe } from "@effect-prefect/pickle/testing"
import { assert, describe as suite, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { seeds } from "../../core/test/seeds.ts"
import { random } from "./writer.ts"

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, "latin1"))
const repeat = (...parts: ReadonlyArray<readonly [string, number]>) =>
  bytes(parts.map(([text, times]) => text.repeat(times)).join(""))

const refusal = (input: Uint8Array, options = {}): PickleError => {
  try {
    loads(input, options)
  } catch (error) {
    if (error instanceof PickleError) return error
    throw error
  }
  throw new Error("it was taken")
}

const pristine = () =>
  JSON.stringify([Object.prototype, Array.prototype, Map.prototype].map((one) => Reflect.ownKeys(one).map(String)))

suite("errors", () => {
  it("name the byte, the instruction and what was expected", () => {
    const error = refusal(bytes("\x80\x04]K\x01K\x02s."))
    assert.deepStrictEqual(
      [error.name, error.reason, error.position, error.opcode],
      ["PickleError", "BadValue", 7, "SETITEM"]
    )
    assert.match(error.message, /at byte 7 \(SETITEM\): expected a dict/)
  })
  it("say where a long run of plain values breaks off", () => {
    const error = refusal(bytes(`\x80\x04](${"K\x01".repeat(50)}K`))
    assert.deepStrictEqual([error.reason, error.position, error.opcode], ["Truncated", 104, "BININT1"])
  })
  it("say which string of a long run is not in the memo", () => {
    const error = refusal(bytes("](\x8c\x01a\x94j\x00\x00\x00\x00j\x01\x00\x00\x00e."))
    assert.deepStrictEqual([error.reason, error.position, error.opcode], ["MissingMemo", 11, "LONG_BINGET"])
  })
  const refused: ReadonlyArray<readonly [what: string, pickle: string, reason: string]> = [
    ["nothing at all", "", "Truncated"],
    ["no STOP", "N", "Truncated"],
    ["STOP with nothing to give", ".", "StackUnderflow"],
    ["STOP above a MARK", "N(.", "StackUnderflow"],
    ["an unknown byte", "\xff.", "UnknownOpcode"],
    ["protocol 6", "\x80\x06N.", "UnknownOpcode"],
    ["a string that is cut off", "X\x05\x00\x00\x00ab.", "Truncated"],
    ["a length of 2^63", "\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", "Truncated"],
    ["a frame beyond the end", "\x80\x04\x95\x09\x00\x00\x00\x00\x00\x00\x00N.", "BadFrame"],
    ["bad UTF-8", "\x8c\x01\xff.", "BadText"],
    ["an overlong form", "\x8c\x02\xc0\x80.", "BadText"],
    ["a memo entry that is not there", "h\x00.", "MissingMemo"],
    ["a negative memo index", "Np-1\n.", "MissingMemo"],
    ["APPENDS without a MARK", "]e.", "MissingMark"],
    ["items below a MARK", "](K\x01a.", "StackUnderflow"],
    ["an odd number of dict items", "}(K\x01u.", "BadValue"],
    ["a list as a key", "}]Ns.", "Unhashable"],
    ["a dict inside a tuple as a key", "}}\x85Ns.", "Unhashable"],
    ["a set in a set", "\x8f(\x8f\x90.", "Unhashable"],
    ["a call of an int", "K\x01)R.", "BadValue"],
    ["arguments that are a list", "cm\nf\n]R.", "BadValue"],
    ["a state for an int", "K\x01}b.", "BadValue"],
    ["a persistent id", "K\x01Q.", "Unresolved"],
    ["an extension code", "\x82\x01.", "Unresolved"],
    ["an out-of-band buffer", "\x97.", "Unresolved"],
    ["text that is no integer", "Iabc\n.", "BadNumber"],
    ["a float that is too large", "F1e400\n.", "BadNumber"],
    ["a string without quotes", "Sabc\n.", "BadText"]
  ]
  for (const [what, pickle, reason] of refused) {
    it(`${what}: ${reason}`, () => {
      assert.strictEqual(refusal(bytes(pickle)).reason, reason)
    })
  }
})

suite("nothing of a pickle reaches a prototype", () => {
  it("keys named like the insides of objects are keys", () => {
    const before = pristine()
    const names = [
      "__proto__",
      "constructor",
      "prototype",
      "toString",
      "hasOwnProperty",
      "then",
      "length",
      "__defineGetter__"
    ]
    const pickle = `\x80\x04}(${
      names.map((name) => `\x8c${String.fromCharCode(name.length)}${name}}\x8c\x08pollutedK\x01s`).join("")
    }u.`
    const value = loads(bytes(pickle)) as Record<string, Record<string, unknown>>
    assert.deepStrictEqual(Object.keys(value), names)
    for (const name of names) assert.deepStrictEqual(Object.keys(value[name]!), ["polluted"])
    assert.strictEqual(({} as Record<string, unknown>)["polluted"], undefined)
    assert.isFalse("valueOf" in value)
    assert.strictEqual(pristine(), before)
  })
  it("attributes of an object stay in its state", () => {
    const value = loads(
      bytes("cm\nC\n)\x81}(\x8c\x09__proto__}\x8c\x0aattributesK\x01\x8c\x05classK\x02ub.")
    ) as PyObject
    assert.instanceOf(value, PyObject)
    assert.strictEqual(typeof value.attributes, "function")
    assert.strictEqual(value.className, "m.C")
    assert.deepStrictEqual([...value.attributes().keys()], ["__proto__", "attributes", "class"])
  })
  it("the memo is no object: an index named like a property is an error", () => {
    assert.strictEqual(refusal(bytes("g__proto__\nVpolluted\nI1\ns.")).reason, "BadNumber")
  })
})

suite("limits", () => {
  const limited: ReadonlyArray<readonly [name: string, limits: object, pickle: Uint8Array]> = [
    ["bytes", { bytes: 10 }, repeat(["N0", 10], ["N.", 1])],
    ["values", { values: 100 }, repeat(["N0", 100], ["N.", 1])],
    ["values", { values: 100 }, repeat(["](", 1], ["K\x01", 200], ["e.", 1])],
    ["depth", { depth: 50 }, repeat(["]", 60], ["a", 59], [".", 1])],
    ["depth", { depth: 50 }, repeat(["N", 1], ["\x85", 60], [".", 1])],
    ["depth", { depth: 50 }, repeat(["}K\x01", 60], ["N", 1], ["s", 60], [".", 1])],
    ["memo", { memo: 10 }, repeat(["N\x94", 11], [".", 1])],
    ["memo", { memo: 10 }, repeat(["(", 1], ["\x8c\x01a\x94", 11], ["l.", 1])],
    ["memo", { memo: 10 }, repeat(["](", 1], ["\x8c\x01a\x94", 11], ["e.", 1])],
    ["memo", { memo: 10 }, repeat(["}(", 1], [`\x8c\x011\x94G${"\0".repeat(8)}`, 11], ["u.", 1])],
    ["integerBytes", { integerBytes: 100 }, repeat(["\x8b\xff\x00\x00\x00", 1], ["\x01", 255], [".", 1])],
    ["integerBytes", { integerBytes: 100 }, repeat(["L", 1], ["1", 300], ["\n.", 1])],
    [
      "repetition",
      { repetition: 1_000 },
      repeat(["X\xc8\x00\x00\x00", 1], ["x", 200], ["\x940", 1], ["h\x000", 6], ["N.", 1])
    ],
    [
      "repetition",
      { repetition: 1_000 },
      repeat(["X\xc8\x00\x00\x00", 1], ["x", 200], ["\x940](", 1], ["j\x00\x00\x00\x00", 6], ["e.", 1])
    ],
    ["equalityWork", { equalityWork: 1_000 }, repeat(["}(", 1], ["K\x01", 2_000], ["tNs.", 1])]
  ]
  for (const [name, limits, pickle] of limited) {
    it(`${name} of ${JSON.stringify(limits)}`, () => {
      const error = refusal(pickle, { limits })
      assert.deepStrictEqual([error.reason, error.limit], ["LimitExceeded", name])
      assert.isAtLeast(error.position, 0)
      loads(pickle)
    })
  }
  it("a value at a limit is taken", () => {
    assert.doesNotThrow(() => {
      loads(repeat(["]", 50], ["a", 49], [".", 1]), { limits: { depth: 50 } })
      loads(repeat(["N\x94", 10], [".", 1]), { limits: { memo: 10 } })
      loads(repeat(["N0", 49], ["N.", 1]), { limits: { values: 100 } })
    })
  })
})

suite("attacks", () => {
  it("nesting 110 000 deep is refused, and taken when the limit is lifted", () => {
    // The stack of V8 ends at about 10 000.
    const depth = 110_000
    const attacks = [
      repeat(["]", depth], ["a", depth - 1], [".", 1]),
      repeat(["N", 1], ["\x85", depth], [".", 1]),
      repeat(["(", depth], ["N", 1], ["t", depth], [".", 1]),
      repeat(["(", depth], ["l", depth], [".", 1])
    ]
    for (const attack of attacks) {
      assert.strictEqual(refusal(attack).limit, "depth")
      const value = loads(attack, { limits: { depth: Infinity } })
      assert.isTrue(Array.isArray(value))
    }
    // Neither does describing overflow the stack.
    assert.isObject(describe(loads(repeat(["N", 1], ["\x85", 90_000], [".", 1]))))
  })
  it("a graph of 2^60 paths costs what its 60 nodes cost", () => {
    const value = loads(repeat(["N", 1], ["2\x86", 60], [".", 1]))
    assert.isTrue(Array.isArray(value))
    assert.isBelow(JSON.stringify(describe(value)).length, 10_000)
  })
  it("that graph as a key is refused, not walked", () => {
    assert.strictEqual(refusal(repeat(["}K\x01", 1], ["2\x86", 60], ["Ns.", 1])).limit, "equalityWork")
  })
  it("a list of 300 000 items, a dict of 100 000 keys", () => {
    assert.lengthOf(loads(repeat(["](", 1], ["N", 300_000], ["e.", 1])) as Array<unknown>, 300_000)
    const keys = Array.from({ length: 100_000 }, (_, i) => `X\x06\x00\x00\x00k${`${i}`.padStart(5, "0")}N`).join("")
    assert.lengthOf(Object.keys(loads(bytes(`}(${keys}u.`)) as object), 100_000)
  })
  it("a few bytes cannot make decoders copy without end", () => {
    const text = `X\x00\x00\x10\x00${"x".repeat(1_048_576)}\x940`
    const encode = "c_codecs\nencode\n(h\x00X\x06\x00\x00\x00latin1tR0"
    assert.strictEqual(refusal(repeat([text, 1], [encode, 2_000], ["N.", 1])).limit, "repetition")
    const list = `](${"N".repeat(100_000)}e\x940`
    assert.strictEqual(
      refusal(repeat([list, 1], ["cbuiltins\nset\nh\x00\x85R0", 10_000], ["N.", 1])).limit,
      "repetition"
    )
  })
  it("an integer whose text would take long is refused, whatever makes it", () => {
    const length = 0x10001
    const digits = "1".repeat(160_000)
    const raw = "\x01".repeat(length)
    const size = "\x01\x00\x01\x00"
    for (
      const pickle of [
        `\x8b${size}${raw}.`,
        `L${digits}\n.`,
        `I${digits}\n.`,
        `cbuiltins\nint\n(V${digits}\ntR.`,
        `cfractions\nFraction\n(V${digits}/3\ntR.`,
        `cbuiltins\ngetattr\n(cbuiltins\nint\nVfrom_bytes\ntR(B${size}${raw}Vbig\ntR.`
      ]
    ) assert.strictEqual(refusal(bytes(pickle)).limit, "integerBytes", JSON.stringify(pickle.slice(0, 40)))
    // The largest that is taken may be named many times, each time of two bytes.
    const largest = `\x8b\x00\x00\x01\x00${"\x01".repeat(0x10000)}\x940`
    assert.strictEqual(
      refusal(repeat([largest, 1], ["cdecimal\nDecimal\nh\x00\x85R0", 200], ["N.", 1])).limit,
      "repetition"
    )
  })
  it("a shape, a length or a range that is all there is takes no memory", () => {
    const huge = "\x8a\x06\xff\xff\xff\xff\xff\x7f"
    assert.strictEqual(
      refusal(bytes(`cnumpy.core.numeric\n_frombuffer\n(C\x00Vf8\n(${huge}tVC\ntR.`)).reason,
      "BadValue"
    )
    loads(bytes(`cbuiltins\nrange\n(K\x00${huge}tR.`))
    loads(
      bytes(
        `cpandas.core.indexes.base\n_new_Index\n(cpandas\nRangeIndex\n}(Vstart\nK\x00Vstop\n${huge}Vstep\nK\x01utR.`
      )
    )
  })
  it("a Decimal of a far exponent is compared without its digits", () => {
    const value = loads(bytes("}(cdecimal\nDecimal\n(V1e999999999\ntRK\x01K\x01K\x02u."))
    assert.strictEqual((value as PyDict).size, 2)
  })
  it("garbage of one byte and of none ends at once", () => {
    for (let byte = 0; byte < 256; byte++) {
      assert.throws(() => loads(Uint8Array.of(byte)), PickleError)
      assert.throws(() => loadsAll(Uint8Array.of(0x4e, 0x2e, byte)), PickleError)
    }
  })
})

suite("broken pickles of the corpus", () => {
  const folder = new URL("../../../fixtures/pickle/", import.meta.url)
  const corpus = readdirSync(folder).filter((name) => name.endsWith(".pkl")).map((name) =>
    readFileSync(new URL(name, folder))
  )
    .filter((pickle) => pickle.length < 5_000)

  it("are a value or a PickleError, and change nothing outside", () => {
    const before = pristine()
    const rng = random(20_261_123)
    let taken = 0
    let refused = 0
    const rounds = seeds(1_000, 5_000)
    for (let i = 0; i < rounds; i++) {
      const source = rng.pick(corpus)
      let broken = Uint8Array.from(source)
      for (let j = 1 + rng.below(4); j > 0; j--) {
        const at = rng.below(broken.length)
        const dice = rng.below(5)
        if (dice === 0) broken = broken.slice(0, at + 1)
        else if (dice === 1) {
          broken = Uint8Array.from([...broken.slice(0, at), ...broken.slice(at + 1 + rng.below(8)), 0x2e])
        } else if (dice === 2) {
          broken = Uint8Array.from([...broken.slice(0, at), ...rng.pick(corpus).slice(0, 40), ...broken.slice(at)])
        } else broken[at] = rng.below(256)
      }
      try {
        const value = loads(broken, { encoding: "latin1", limits: { bytes: 20_000 } })
        describe(value, { maxValues: 200_000 })
        taken++
      } catch (error) {
        if (!(error instanceof PickleError)) {
          throw new Error(`round ${i}: ${Buffer.from(broken).toString("base64")}`, { cause: error })
        }
        refused++
      }
    }
    assert.isAbove(taken, 0.06 * rounds)
    assert.isAbove(refused, 0.2 * rounds)
    assert.strictEqual(pristine(), before)
  })
})

suite("a tuple is an Array like any other", () => {
  it("and its methods give plain arrays", () => {
    const value = loads(bytes("K\x01K\x02\x86.")) as Tuple<number>
    assert.instanceOf(value, Tuple)
    assert.isTrue(Array.isArray(value))
    assert.strictEqual(JSON.stringify(value), "[1,2]")
    assert.strictEqual(Object.getPrototypeOf(value.map((x) => x)), Array.prototype)
  })
})

suite("sizes of NumPy and pandas that no bytes stand for", () => {
  const int32 = (value: number) => Buffer.from(Int32Array.of(value).buffer).toString("latin1")
  const integer = (value: number) => `\x8a\x08${Buffer.from(BigInt64Array.of(BigInt(value)).buffer).toString("latin1")}`
  const text = (value: string) => `\x8c${String.fromCharCode(value.length)}${value}`
  const state = (subdtype: string, fields: string, size: number) =>
    `(K\x03${text("|")}${subdtype}${fields}J${int32(size)}K\x01K\0tb`
  const dtype = (name: string, built = "") => `cnumpy\ndtype\n${text(name)}\x89\x88\x87R${built}`
  const array = (sizes: ReadonlyArray<number>, type: string, data: string) =>
    `cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R(K\x01(${
      sizes.map(integer).join("")
    }t${type}\x89${data}tb`
  const scalar = (type: string) => `cnumpy.core.multiarray\nscalar\n${type}\x85R`
  const overlapping = (inner: string) =>
    dtype(
      "V8",
      state(
        "N",
        `${text("a")}${text("b")}\x86}(${text("a")}${inner}K\0\x86${text("b")}${inner}K\0\x86u`,
        8
      )
    )
  const doubled = Array.from({ length: 40 }).reduce<string>(
    (before) => `${before}0${overlapping("h\0")}q\0`,
    `${dtype("V8")}q\0`
  )
  const refused: Record<string, string> = {
    "a scalar without bytes": scalar(dtype("V2000000000")),
    "many scalars without bytes": `](${scalar(dtype("S1000000")).repeat(20)}e`,
    "an array of items without bytes": array([2 ** 50], dtype("V0"), "C\0"),
    "an array of texts without bytes": array([1e9], dtype("U0"), "C\0"),
    "rows without columns": array([1e9, 0], dtype("f8"), "C\0"),
    "rows of objects without columns": array([1e9, 0], dtype("O8"), "]"),
    "a sub-array of more than its item": array(
      [1],
      dtype("V8", state(`(${dtype("f8")}${integer(1e9)}\x85t`, "NN", 8)),
      "C\x08abcdefgh"
    ),
    "a sub-array of items without bytes": array(
      [1],
      dtype("V8", state(`(${dtype("V0")}${integer(1e9)}\x85t`, "NN", 8)),
      "C\x08abcdefgh"
    ),
    "fields that overlap": `${doubled}0${array([1], "h\0", "C\x08abcdefgh")}`
  }
  for (const [name, pickle] of Object.entries(refused)) {
    it(`${name} are refused`, () => {
      assert.include(["LimitExceeded", "BadValue"], refusal(bytes(`\x80\x04${pickle}.`)).reason)
    })
  }
  it("an item of 10^12 bytes is no dtype", () => {
    assert.instanceOf(loads(bytes(`\x80\x04${scalar(dtype("V1000000000000"))}.`)), PyObject)
  })
  it("a dtype that is a field of its own is the one before", () => {
    const own = `${dtype("V8")}q\0${state("N", `${text("a")}\x85}${text("a")}h\0K\0\x86s`, 8)}0`
    const value = loads(bytes(`\x80\x04${own}${array([1], "h\0", "C\x08abcdefgh")}.`)) as NdArray
    assert.strictEqual(value.dtype.fields?.[0]?.dtype.fields, null)
  })
  it("labels of a RangeIndex are made one by one", () => {
    const entries = `${text("start")}K\x05${text("stop")}${integer(2 ** 40)}${text("step")}K\x03`
    const index = loads(
      bytes(`\x80\x04cpandas.core.indexes.base\n_new_Index\ncpandas\nRangeIndex\n}(${entries}u\x86R.`)
    ) as Index
    assert.strictEqual(index.column.at(1e11), 5 + 3e11)
    assert.throws(() => index.column.values, PickleError)
  })
  it("a size that is a dict is refused", () => {
    const size = `(K\x03${text("|")}N${text("a")}\x85}${text("a")}(${dtype("f8")}}tsJ${int32(8)}K\x01K\0tb`
    assert.strictEqual(refusal(bytes(`\x80\x04${dtype("V8", size)}.`)).reason, "BadValue")
  })
})
