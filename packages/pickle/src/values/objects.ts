/**
 * Inert data that represents Python objects and classes without a JavaScript counterpart. They are never looked up or
 * called.
 *
 * @since 0.1.0
 */
import { fail } from "../errors.ts"
import { keysOf, knownKeys } from "../objectKeys.ts"
import { type EqualityBudget, equalityKey, keyPart, spend } from "./equality.ts"
import { type Inspect, inspected, projected } from "./json.ts"

/**
 * A reference to a class or function by name, as a pickle contains it. Nothing is imported.
 *
 * @category objects
 * @since 0.1.0
 */
export class PyGlobal {
  readonly module: string
  /** The qualified name, with dots for nested classes. */
  readonly name: string
  /** Whether an object of the class holds items or entries, as subclasses of list and dict do. */
  isCollection = false
  constructor(module: string, name: string) {
    this.module = module
    this.name = name
  }
  /** `module.name`. */
  get qualifiedName(): string {
    return `${this.module}.${this.name}`
  }
  toString(): string {
    return this.qualifiedName
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `PyGlobal(${this.qualifiedName})`
  }
  toJSON(): unknown {
    return projected(this)
  }
  [equalityKey](budget: EqualityBudget): unknown {
    spend(budget, 1 + this.module.length + this.name.length)
    return `g${this.module}\n${this.name}`
  }
}

const none: ReadonlyArray<never> = Object.freeze([])

/**
 * An instance of a class that neither this package nor the options know, or the result of a call that was not made: the
 * class or function, the arguments, and the operations on the new object.
 *
 * The content of a pickle never becomes a property of this object itself: look into `args`, `state`, `items` and
 * `pairs`.
 *
 * @category objects
 * @since 0.1.0
 */
export class PyObject {
  /** The class or function: a `PyGlobal`, or a `PyObject` when that is computed (`functools.partial`, `getattr`). */
  readonly class: unknown
  args: ReadonlyArray<unknown>
  /** Keyword arguments (`__getnewargs_ex__`): an object or a `PyDict`, like dicts; `null` when there are none. */
  kwargs: unknown
  /** Every state that was set on it (BUILD), in order; rarely more than one. */
  states: ReadonlyArray<unknown> = none
  /** The appended items, of a list subclass. */
  items: ReadonlyArray<unknown> = none
  /** The entries of a dict subclass, in order. */
  pairs: ReadonlyArray<readonly [unknown, unknown]> = none

  constructor(cls: unknown, args: ReadonlyArray<unknown>, kwargs: unknown = null) {
    this.class = cls
    this.args = args
    this.kwargs = kwargs
  }
  /** `module.Name` of the class; for a computed one, the name of the innermost callable. */
  get className(): string {
    return classNameOf(this.class)
  }
  /** The state that was set on it; `undefined` when there was none. */
  get state(): unknown {
    return this.states.length === 0 ? undefined : this.states[this.states.length - 1]
  }
  /**
   * The attributes of the object, by name: the dicts in its states, slots included; pydantic's fields of both versions
   * too. An empty Map when there is no such state.
   */
  attributes(): Map<string, unknown> {
    const out = new Map<string, unknown>()
    for (const state of this.states) {
      const parts = Array.isArray(state) && state.length === 2 ? state : [state]
      for (const part of parts) if (isDict(part)) addEntries(out, part)
    }
    // SQLAlchemy's own bookkeeping for an object that it loaded.
    const instance = out.get(nameOfSqlState)
    if (instance instanceof PyObject && instance.className.startsWith("sqlalchemy.")) out.delete(nameOfSqlState)
    if (out.has("__pydantic_fields_set__") || out.has("__fields_set__")) {
      // pydantic keeps its fields in a dict inside the state, beside its own bookkeeping.
      const fields = out.get("__dict__")
      if (isDict(fields)) {
        const own = new Map<string, unknown>()
        addEntries(own, fields)
        const extra = out.get("__pydantic_extra__")
        if (isDict(extra)) addEntries(own, extra)
        return own
      }
    }
    return out
  }
  /** Its JSON projection: `{"__class__": "module.Name", …}` with its arguments, items and attributes. */
  toJSON(): unknown {
    return projected(this)
  }
  [Symbol.for("nodejs.util.inspect.custom")](depth: number, options: object, inspect?: Inspect): string {
    const content: Record<string, unknown> = {}
    if (this.args.length > 0) content["__args__"] = this.args
    if (this.kwargs !== null) content["__kwargs__"] = this.kwargs
    if (this.items.length > 0) content["__items__"] = this.items
    if (this.pairs.length > 0) content["__pairs__"] = this.pairs
    const attributes = this.attributes()
    for (const [name, value] of attributes) {
      Object.defineProperty(content, name, { value, enumerable: true, configurable: true, writable: true })
    }
    if (attributes.size === 0 && this.state !== undefined) content["__state__"] = this.state
    return inspected(this.className, content, depth, options, inspect)
  }
}

/** Attributes that are one dict of very many, and their names. */
export interface ManyAttributes {
  readonly dict: Readonly<Record<string, unknown>>
  readonly names: ReadonlyArray<string>
}

const nameOfSqlState = "_sa_instance_state"

/**
 * The attributes of an object whose state is one dict of very many with listed keys, without a Map of them; undefined for
 * any other object.
 *
 * @internal
 */
export const manyAttributesOf = ({ states }: PyObject): ManyAttributes | undefined => {
  if (states.length !== 1) return undefined
  const [state] = states
  const parts = (Array.isArray(state) && state.length === 2 ? state : [state]).filter(isDict)
  let dict = parts[0]
  if (parts.length !== 1 || dict === undefined || dict instanceof Map) return undefined
  if (Object.hasOwn(dict, "__pydantic_fields_set__") || Object.hasOwn(dict, "__fields_set__")) {
    const { __dict__: fields, __pydantic_extra__: extra } = dict
    if (isDict(fields)) {
      if (fields instanceof Map || isDict(extra)) return undefined
      dict = fields
    }
  }
  const names = knownKeys(dict)
  // The other way omits it.
  return names === undefined || Object.hasOwn(dict, nameOfSqlState) ? undefined : { dict, names }
}

const addEntries = (out: Map<string, unknown>, dict: object): void => {
  if (dict instanceof Map) {
    for (const [key, value] of dict) if (typeof key === "string") out.set(key, value)
    return
  }
  // V8 lists the entries of an object of very many keys far more slowly than its keys.
  const object = dict as Readonly<Record<string, unknown>>
  for (const key of keysOf(object)) out.set(key, object[key])
}

/** The name of a class that cloudpickle stored by value, or of an interpreter type that it named. */
const carriedClassName = (cls: Opaque): string => {
  const call = cls.class instanceof PyGlobal ? cls.class.name : ""
  if (call === "_builtin_type") return `types.${textOr(cls.args[0], "object")}`
  const dicts = [cls.args[3], Array.isArray(cls.state) ? cls.state[0] : cls.state]
  // `_make_skeleton_class(type, name, bases, {"__module__"}, …)`, `_make_skeleton_enum(bases, name, qualname, members, module, …)`
  const isEnum = call === "_make_skeleton_enum"
  const module = isEnum ? cls.args[4] : dicts.map((dict) => entryOf(dict, "__module__")).find(isText)
  const qualname = isEnum ? cls.args[2] : dicts.map((dict) => entryOf(dict, "__qualname__")).find(isText)
  return `${textOr(module, "__main__")}.${textOr(qualname ?? cls.args[1], "object")}`
}

const isText = (value: unknown): value is string => typeof value === "string"

const textOr = (value: unknown, fallback: string): string => isText(value) ? value : fallback

const entryOf = (dict: unknown, key: string): unknown =>
  !isDict(dict)
    ? undefined
    : dict instanceof Map
    ? dict.get(key)
    : Object.hasOwn(dict, key)
    ? dict[key]
    : undefined

const maxClassDepth = 100

const classNameOf = (cls: unknown): string => {
  let at = cls
  for (let depth = 0; depth < maxClassDepth; depth++) {
    if (at instanceof PyGlobal) return at.qualifiedName
    if (!(at instanceof PyObject)) break
    if (at instanceof Opaque && at.kind === "class") return carriedClassName(at)
    const [first, second] = at.args
    if (at.class instanceof PyGlobal && at.class.name === "getattr" && first instanceof PyGlobal) {
      return typeof second === "string" ? `${first.qualifiedName}.${second}` : first.qualifiedName
    }
    at = at.class
  }
  return "object"
}

/**
 * Whether a value is a Python dict: an object that `loads` made, or a `PyDict` of any kind.
 *
 * @category guards
 * @since 0.1.0
 */
export const isDict = (value: unknown): value is Record<string, unknown> | Map<unknown, unknown> => {
  if (typeof value !== "object" || value === null) return false
  if (value instanceof Map) return true
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || (prototype !== Object.prototype && Object.getPrototypeOf(prototype) === null)
}

/**
 * Adds an item to the target of APPEND; the list is made on first use, because most objects have none.
 *
 * @internal
 */
export const appendItem = (object: PyObject, item: unknown): void => {
  if (object.items === none) {
    object.items = []
    if (object.class instanceof PyGlobal) object.class.isCollection = true
  }
  ;(object.items as Array<unknown>).push(item)
}

/** @internal */
export const appendPair = (object: PyObject, key: unknown, value: unknown): void => {
  if (object.pairs === none) {
    object.pairs = []
    if (object.class instanceof PyGlobal) object.class.isCollection = true
  }
  ;(object.pairs as Array<readonly [unknown, unknown]>).push([key, value])
}

/** @internal */
export const appendState = (object: PyObject, state: unknown): void => {
  if (object.states === none) object.states = []
  ;(object.states as Array<unknown>).push(state)
}

/**
 * A function, class or code object that cloudpickle stored by value. Only data: its byte code is never run.
 *
 * @category objects
 * @since 0.1.0
 */
export class Opaque extends PyObject {
  readonly kind: "function" | "class" | "code" | "module" | "other"
  constructor(
    kind: "function" | "class" | "code" | "module" | "other",
    cls: unknown,
    args: ReadonlyArray<unknown>,
    kwargs: unknown = null
  ) {
    super(cls, args, kwargs)
    this.kind = kind
  }
}

/**
 * A member of an Enum whose class the pickle carries (cloudpickle by value) or the options declare.
 *
 * @category objects
 * @since 0.1.0
 */
export class PyEnum {
  /** `module.Name` of the Enum. */
  readonly className: string
  /** The member's name; `null` for a value without one (a combination of flags). */
  readonly name: string | null
  readonly value: unknown
  constructor(className: string, name: string | null, value: unknown) {
    this.className = className
    this.name = name
    this.value = value
  }
  toString(): string {
    return `${this.className.slice(this.className.lastIndexOf(".") + 1)}.${this.name ?? String(this.value)}`
  }
  [Symbol.for("nodejs.util.inspect.custom")](depth: number, options: object, inspect?: Inspect): string {
    return inspected(this.toString(), this.value, depth, options, inspect)
  }
  toJSON(): unknown {
    return projected(this)
  }
  [equalityKey](budget: EqualityBudget): unknown {
    if (typeof this.value === "object" && this.value !== null) return this
    return `e${this.className}\n${keyPart(this.value, budget)}`
  }
}

/**
 * A `uuid.UUID` in its usual text form.
 *
 * @category objects
 * @since 0.1.0
 */
export class UUID {
  readonly value: string
  constructor(value: string) {
    this.value = value
  }
  toString(): string {
    return this.value
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `UUID(${this.toString()})`
  }
  toJSON(): string {
    return this.value
  }
  [equalityKey](): unknown {
    return `u${this.value}`
  }
}

/**
 * A `pathlib` path: its class (`PosixPath`, `PureWindowsPath`, …) and its text.
 *
 * @category objects
 * @since 0.1.0
 */
export class Path {
  /** `pathlib.PosixPath` and the like. */
  readonly className: string
  readonly value: string
  constructor(className: string, value: string) {
    this.className = className
    this.value = value
  }
  toString(): string {
    return this.value
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `Path(${this.toString()})`
  }
  toJSON(): string {
    return this.value
  }
  [equalityKey](budget: EqualityBudget): unknown {
    spend(budget, 1 + this.value.length)
    const windows = this.className.includes("Windows")
    return `p${windows ? "w" : "p"}${windows ? this.value.toLowerCase() : this.value}`
  }
}

/**
 * An `array.array`.
 *
 * @category objects
 * @since 0.1.0
 */
export class PyArray {
  /** Python's type code: `b B h H i I l L q Q f d`, `u` and `w` for text. */
  readonly typecode: string
  /** The items: a typed array, unless they were a list of values that no typed array holds. */
  readonly values: ArrayLike<unknown>
  /** The machine format and bytes in which protocols 3 to 5 store it; `null` when the items were a list. */
  readonly stored: { readonly format: number; readonly bytes: Uint8Array } | null
  constructor(
    typecode: string,
    values: ArrayLike<unknown>,
    stored: { readonly format: number; readonly bytes: Uint8Array } | null = null
  ) {
    this.typecode = typecode
    this.values = values
    this.stored = stored
  }
  get length(): number {
    return this.values.length
  }
  *[Symbol.iterator](): IterableIterator<unknown> {
    for (let i = 0; i < this.values.length; i++) yield this.values[i]
  }
  toString(): string {
    return `PyArray(${this.typecode}, ${this.length})`
  }
  toJSON(): unknown {
    return projected(this)
  }
  [Symbol.for("nodejs.util.inspect.custom")](depth: number, options: object, inspect?: Inspect): string {
    return inspected(this.toString(), this.values, depth, options, inspect)
  }
  [equalityKey](): unknown {
    return fail("Unhashable", "an array as a key", "a hashable key")
  }
}
