/**
 * This package must read every pickle as CPython does: random values that every Python of the machine pickles in every
 * protocol, its own pickles broken in every way, and random programs of instructions. `PICKLE_ROUNDS` sets the number
 * (default 300 values for each Python, 10 times as many broken ones), `PICKLE_SEED` the seed.
 */
import { loads, loadsAt, PickleError } from "@effect-prefect/pickle"
import { describe } from "@effect-prefect/pickle/testing"
import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { assertSameForm, interpreters, normalize, type Oracle, oracle, random } from "./pickle/oracle.ts"
import { check } from "./support/check.ts"

const rounds = Number(process.env["PICKLE_ROUNDS"] ?? "300")
const firstSeed = Number(process.env["PICKLE_SEED"] ?? "1")

const oracles = interpreters().map(([version, path]) => oracle(version, path))

/** Whose word counts on what is neither new nor old. */
const judge = oracles.find(({ version }) => version.startsWith("3.11")) ?? oracles[oracles.length - 1]!

for (const python of oracles) {
  const two = python.version.startsWith("2.")
  const protocols = two ? [0, 1, 2] : /^3\.[0-7]\./.test(python.version) ? [0, 1, 2, 3, 4] : [0, 1, 2, 3, 4, 5]
  await check(`${rounds} random values of Python ${python.version}, protocols ${protocols.join(" ")}`, async () => {
    for (let i = 0; i < rounds; i++) {
      const protocol = protocols[i % protocols.length]
      const pickler = i % 3 === 0 ? (two ? "cPickle" : "python") : "default"
      const seed = firstSeed + i
      const { data, fail, form: own, message } = await python.ask({ do: "make", seed, protocol, pickler })
      const label = `seed ${seed}, protocol ${protocol}, ${pickler}`
      // The dicts of Python 2 lose the order of its pickles: a newer Python determines their content.
      const form = two ? (await judge.ask({ do: "trust", data })).form : own
      assert.equal(fail, undefined, `${label}: ${message}`)
      const bytes = Buffer.from(data!, "base64")
      const value = loads(bytes, { floats: "typed", ...(two ? { encoding: "latin1" } : {}) })
      assertSameForm(normalize(describe(value)), normalize(form), label)
    }
  })
}

/** Allowed differences between Python and this package; any other is a failure. */
const compare = async (python: Oracle, bytes: Uint8Array, label: string): Promise<"taken" | "refused" | "skipped"> => {
  const answer = await python.ask({ do: "load", data: Buffer.from(bytes).toString("base64") })
  if (
    answer.late === true || answer.fail === "Crash" || answer.fail === "MemoryError" || answer.fail === "RecursionError"
  ) {
    // Beyond Python itself: here it only has to end, in a value or an error.
    try {
      loads(bytes)
    } catch (error) {
      assert.ok(error instanceof PickleError, `${label}: ${String(error)}`)
    }
    return "skipped"
  }
  let mine: { readonly value: unknown; readonly end: number } | undefined
  let refusal: unknown
  try {
    mine = loadsAt(bytes, 0, { floats: "typed", fixImports: false })
  } catch (error) {
    refusal = error
  }
  const shown = `${label}\n  ${JSON.stringify(Buffer.from(bytes).toString("latin1"))}`
  if (mine === undefined) {
    assert.ok(refusal instanceof PickleError, `${shown}\n  ${String(refusal)}`)
    // Appending to a bytearray or array is the only operation that is not implemented here: no pickler does it.
    if (refusal.found === "items for a value that is no list") return "skipped"
    assert.ok(
      answer.fail !== undefined,
      `${shown}\n  Python: ${JSON.stringify(answer.form)?.slice(0, 300)}\n  refused here: ${refusal.message}`
    )
    return "refused"
  }
  const form = normalize(describe(mine.value))
  // The oracle's stand-ins for getattr and the like are not classes; the real ones are. And it reads from a file, where
  // Python enforces the length of a frame; from bytes it does not.
  if (answer.message?.includes("truncated") === true && bytes.includes(0x95)) return "skipped"
  if (/Inert|unknown encoding|bad tzinfo/.test(answer.message ?? "")) return "skipped"
  assert.ok(answer.fail === undefined, `${shown}\n  Python: ${answer.message}\n  taken here: ${form.slice(0, 300)}`)
  assertSameForm(form, normalize(answer.form), shown)
  // Python reads a whole frame before it looks inside, so a frame beyond STOP moves its end.
  if (!bytes.includes(0x95)) assert.equal(mine.end, answer.end, `${shown}: where it ends`)
  return "taken"
}

await check(
  `the pickles in CPython's own tests, whole and with STOP, as Python ${judge.version} takes or refuses them`,
  async () => {
    const seen = { taken: 0, refused: 0, skipped: 0 }
    for (const python of oracles.filter(({ version }) => !version.startsWith("2."))) {
      const { literals } = await python.ask({ do: "literals" })
      for (const literal of literals ?? []) {
        const bytes = Buffer.from(literal, "base64")
        const versions = [bytes, Buffer.concat([bytes, Buffer.from(".")])]
        for (const one of versions) seen[await compare(judge, one, `of Python ${python.version}`)]++
      }
    }
    console.log(`        ${JSON.stringify(seen)}`)
    assert.ok(seen.taken > 100 && seen.refused > 100)
  }
)

const folder = new URL("../fixtures/pickle/", import.meta.url)
const files = readdirSync(folder).filter((name) =>
  name.endsWith(".pkl") &&
  !/^(?:np|pd|old_|prefect|cp_|array|exc|path|dt_pend|pend|.*zoneinfo|regex|str_len|ellipsis|notimpl|type_|builtin_len)/
    .test(name)
)
const corpus = files.map((name) => readFileSync(new URL(name, folder))).filter((bytes) => bytes.length < 2_000)

const mutate = (rng: ReturnType<typeof random>, source: Uint8Array): Uint8Array => {
  const bytes = Uint8Array.from(source)
  switch (rng.below(6)) {
    case 0:
      return bytes.subarray(0, rng.below(bytes.length))
    case 1: {
      const at = rng.below(bytes.length)
      const size = 1 + rng.below(4)
      return Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(Math.min(bytes.length, at + size))])
    }
    case 2: {
      const at = rng.below(bytes.length)
      const from = rng.below(bytes.length)
      return Uint8Array.from([
        ...bytes.subarray(0, at),
        ...bytes.subarray(from, from + 1 + rng.below(12)),
        ...bytes.subarray(at)
      ])
    }
    case 3: {
      const at = rng.below(bytes.length)
      return Uint8Array.from([...bytes.subarray(0, at), opcodes[rng.below(opcodes.length)]!, ...bytes.subarray(at)])
    }
    default:
      for (let i = 1 + rng.below(3); i > 0; i--) {
        bytes[rng.below(bytes.length)] = rng.below(3) === 0 ? opcodes[rng.below(opcodes.length)]! : rng.below(256)
      }
      return bytes
  }
}

const opcodes = [
  ...Buffer.from(
    "().012BCFGIJKLMNPQRSTUVX]abcdegehijlopqrstu}\x80\x81\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98",
    "latin1"
  )
]

await check(
  `${rounds * 10} broken pickles of the corpus, as Python ${judge.version} takes or refuses them`,
  async () => {
    const rng = random(firstSeed)
    for (let i = 0; i < rounds * 10; i++) {
      await compare(judge, mutate(rng, corpus[rng.below(corpus.length)]!), `broken pickle ${i}`)
    }
  }
)

/** A random program that is often valid: instructions with arguments, in random order. */
const program = (rng: ReturnType<typeof random>): Uint8Array => {
  const pieces = [
    "(",
    "(",
    "(",
    ")",
    "]",
    "}",
    "\x8f",
    "N",
    "\x88",
    "\x89",
    "K\x01",
    "K\x00",
    "M\x00\x02",
    "J\xff\xff\xff\xff",
    "G?\xf0\x00\x00\x00\x00\x00\x00",
    "G\x80\x00\x00\x00\x00\x00\x00\x00",
    "I1\n",
    "I01\n",
    "I00\n",
    "I-5\n",
    "I0x1F\n",
    "I010\n",
    "I 7\n",
    "I1_0\n",
    "L5L\n",
    "L-12345678901234567890L\n",
    "L0x10\n",
    "L7\n",
    "F1.5\n",
    "F-0\n",
    "Fnan\n",
    "Finf\n",
    "F1e400\n",
    "F1_0\n",
    "F 1\n",
    "S'abc'\n",
    "S\"a\\x41\\n\"\n",
    "S'a\n",
    "Sabc\n",
    "S'\\'\n",
    "T\x03\x00\x00\x00abc",
    "U\x01x",
    "Va\\u0041b\n",
    "V\\\\u0041\n",
    "V\\U0001f600\n",
    "V\\ud800\n",
    "V\\u12\n",
    "X\x01\x00\x00\x00a",
    "X\x02\x00\x00\x00\xc3\xa9",
    "X\x03\x00\x00\x00\xed\xa0\x80",
    "X\x01\x00\x00\x00\xff",
    "\x8c\x01a",
    "\x8c\x01b",
    "\x8c\x0210",
    "\x8d\x01\x00\x00\x00\x00\x00\x00\x00z",
    "C\x02ab",
    "B\x01\x00\x00\x00q",
    "\x8e\x01\x00\x00\x00\x00\x00\x00\x00w",
    "\x96\x02\x00\x00\x00\x00\x00\x00\x00hi",
    "\x8a\x00",
    "\x8a\x01\xff",
    "\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01",
    "\x8b\x02\x00\x00\x00\x34\x12",
    "\x85",
    "\x86",
    "\x87",
    "t",
    "l",
    "d",
    "a",
    "e",
    "s",
    "u",
    "\x90",
    "\x91",
    "0",
    "1",
    "2",
    "\x94",
    "q\x00",
    "q\x01",
    "q\x05",
    "r\x02\x00\x00\x00",
    "p0\n",
    "p7\n",
    "p-1\n",
    "h\x00",
    "h\x01",
    "h\x05",
    "j\x00\x00\x00\x00",
    "g0\n",
    "g7\n",
    "cm\nC\n",
    "cbuiltins\nset\n",
    "cbuiltins\nfrozenset\n",
    "ccollections\nOrderedDict\n",
    "ccollections\ndeque\n",
    "\x8c\x01m\x8c\x01D\x93",
    ")R",
    "R",
    "b",
    "\x81",
    ")\x81",
    "\x92",
    "im\nC\n",
    "o",
    "}b",
    "Nb",
    "]b",
    "(NtR",
    "\x80\x04",
    "\x80\x06",
    "\x95\x02\x00\x00\x00\x00\x00\x00\x00N0",
    "\x82\x01",
    "P5\n",
    "Q",
    "\x97",
    "\x98"
  ]
  const simple = pieces.slice(0, 70)
  let out = rng.below(2) === 0 ? "\x80\x04" : ""
  for (let i = rng.below(14) + 1; i > 0; i--) {
    const dice = rng.below(10)
    out += dice < 5 ? simple[rng.below(simple.length)]! : pieces[rng.below(pieces.length)]!
  }
  return Buffer.from(`${out}.`, "latin1")
}

await check(`${rounds * 20} random programs, as Python ${judge.version} takes or refuses them`, async () => {
  const rng = random(firstSeed + 1)
  const seen = { taken: 0, refused: 0, skipped: 0 }
  for (let i = 0; i < rounds * 20; i++) seen[await compare(judge, program(rng), `program ${i}`)]++
  console.log(`        ${JSON.stringify(seen)}`)
  assert.ok(seen.taken > 0 && seen.refused > 0)
})

for (const one of oracles) one.close()
