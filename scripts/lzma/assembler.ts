/** An assembler of WebAssembly: expressions that know their type, and statements, as bytes. */

type Type = "i32" | "i64"

/** A branch out of a block or to the start of a loop, by its name, and a block whose branches are counted when it is placed. */
type Code =
  | number
  | ReadonlyArray<Code>
  | { readonly opcode: number; readonly to: string }
  | {
    readonly opcode: number
    readonly name: string | undefined
    readonly body: Code
    readonly otherwise: Code | undefined
  }

export type Statement = Code

class Expression {
  readonly type: Type
  readonly code: Code
  constructor(type: Type, code: Code) {
    this.type = type
    this.code = code
  }
}

/** What may be calculated with: a number has the type of what it is calculated with. */
export type Value = Expression | number

class Local extends Expression {
  readonly index: number
  constructor(type: Type, index: number) {
    super(type, [0x20, ...unsigned(index)])
    this.index = index
  }
}

const unsigned = (value: number): ReadonlyArray<number> =>
  value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)]

const signed = (value: number): ReadonlyArray<number> =>
  value >= -0x40 && value < 0x40 ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(value >> 7)]

const typed = (value: Value, type: Type): Code =>
  typeof value === "number" ? [type === "i32" ? 0x41 : 0x42, signed(value)] : value.code

const typeOf = (...values: ReadonlyArray<Value>): Type => {
  const types = new Set(values.flatMap((value) => typeof value === "number" ? [] : [value.type]))
  if (types.size > 1) throw new Error("an operation has operands of two types")
  return [...types][0] ?? "i32"
}

const calculation = (i32: number, i64: number) => (left: Value, right: Value): Expression => {
  const type = typeOf(left, right)
  return new Expression(type, [typed(left, type), typed(right, type), type === "i32" ? i32 : i64])
}

const comparison = (i32: number, i64: number) => (left: Value, right: Value): Expression =>
  new Expression("i32", calculation(i32, i64)(left, right).code)

export const add = calculation(0x6a, 0x7c)
export const subtract = calculation(0x6b, 0x7d)
export const multiply = calculation(0x6c, 0x7e)
export const and = calculation(0x71, 0x83)
export const or = calculation(0x72, 0x84)
export const xor = calculation(0x73, 0x85)
export const shiftLeft = calculation(0x74, 0x86)
export const shiftRight = calculation(0x76, 0x88)
/** A shift that keeps the sign. */
export const shiftSigned = calculation(0x75, 0x87)

export const equals = comparison(0x46, 0x51)
export const differs = comparison(0x47, 0x52)
/** The comparisons take their operands as unsigned, but for this one. */
export const isLessSigned = comparison(0x48, 0x53)
export const isLess = comparison(0x49, 0x54)
export const isGreater = comparison(0x4b, 0x56)
export const isAtLeast = comparison(0x4f, 0x5a)

/** The low half of an i64. */
export const low = (value: Expression): Expression => new Expression("i32", [value.code, 0xa7])

/** The first value if the condition is not 0, and otherwise the second. */
export const choose = (condition: Value, first: Value, second: Value): Expression => {
  const type = typeOf(first, second)
  return new Expression(type, [typed(first, type), typed(second, type), typed(condition, "i32"), 0x1b])
}

/** Reads this number of bits of the memory as a number without a sign. */
export const load = (type: Type, bits: 8 | 16 | 32 | 64, address: Value): Expression => {
  const opcodes = type === "i32" ? { 8: 0x2d, 16: 0x2f, 32: 0x28, 64: 0 } : { 8: 0x31, 16: 0x33, 32: 0x35, 64: 0x29 }
  return new Expression(type, [typed(address, "i32"), opcodes[bits], 0, 0])
}

export const store = (bits: 8 | 16 | 32 | 64, address: Value, value: Value): Statement => {
  const type = typeOf(value)
  const opcodes = type === "i32" ? { 8: 0x3a, 16: 0x3b, 32: 0x36, 64: 0 } : { 8: 0x3c, 16: 0x3d, 32: 0x3e, 64: 0x37 }
  return [typed(address, "i32"), typed(value, type), opcodes[bits], 0, 0]
}

export const set = (local: Local, value: Value): Statement => [
  typed(value, local.type),
  0x21,
  ...unsigned(local.index)
]

export const when = (condition: Value, body: Statement, otherwise?: Statement): Statement => [
  typed(condition, "i32"),
  { opcode: 0x04, name: undefined, body, otherwise }
]

/** Branches to the name go to the end. */
export const block = (name: string, ...body: ReadonlyArray<Statement>): Statement => ({
  opcode: 0x02,
  name,
  body,
  otherwise: undefined
})

/** Branches to the name go to the start; without one it ends. */
export const loop = (name: string, ...body: ReadonlyArray<Statement>): Statement => ({
  opcode: 0x03,
  name,
  body,
  otherwise: undefined
})

export const branch = (to: string): Statement => ({ opcode: 0x0c, to })

export const branchIf = (to: string, condition: Value): Statement => [
  typed(condition, "i32"),
  { opcode: 0x0d, to }
]

const bytesOf = (code: Code, names: ReadonlyArray<string | undefined>): Array<number> => {
  if (typeof code === "number") return [code]
  if ("to" in code) {
    const depth = names.lastIndexOf(code.to)
    if (depth === -1) throw new Error(`no block is named ${code.to}`)
    return [code.opcode, ...unsigned(names.length - 1 - depth)]
  }
  if (!("opcode" in code)) return code.flatMap((part) => bytesOf(part, names))
  const inside = [...names, code.name]
  const otherwise = code.otherwise === undefined ? [] : [0x05, ...bytesOf(code.otherwise, inside)]
  return [code.opcode, 0x40, ...bytesOf(code.body, inside), ...otherwise, 0x0b]
}

/** The local variables of a function, whose parameters come first. */
export class Locals {
  readonly types: Array<Type> = []
  i32(): Local {
    return new Local("i32", this.types.push("i32") - 1)
  }
  i64(): Local {
    return new Local("i64", this.types.push("i64") - 1)
  }
}

const codes = { i32: 0x7f, i64: 0x7e }

const section = (id: number, ...body: ReadonlyArray<number>): ReadonlyArray<number> => [
  id,
  ...unsigned(body.length),
  ...body
]

const text = (value: string): ReadonlyArray<number> => [value.length, ...new TextEncoder().encode(value)]

/** A module of a memory and one function of i32s to an i32, both exported. */
export const moduleOf = (options: {
  readonly memory: string
  readonly pages: number
  readonly name: string
  readonly parameters: number
  readonly locals: Locals
  readonly body: ReadonlyArray<Statement>
  readonly result: Value
}): Uint8Array => {
  const own = options.locals.types.slice(options.parameters)
  const code = [
    ...unsigned(own.length),
    ...own.flatMap((type) => [1, codes[type]]),
    ...bytesOf(options.body, [undefined]),
    ...bytesOf(typed(options.result, "i32"), []),
    0x0b
  ]
  return Uint8Array.from([
    ...new TextEncoder().encode("\0asm\u0001\0\0\0"),
    ...section(1, 1, 0x60, options.parameters, ...Array.from({ length: options.parameters }, () => 0x7f), 1, 0x7f),
    ...section(3, 1, 0),
    ...section(5, 1, 0, ...unsigned(options.pages)),
    ...section(7, 2, ...text(options.memory), 2, 0, ...text(options.name), 0, 0),
    ...section(10, 1, ...unsigned(code.length), ...code)
  ])
}
