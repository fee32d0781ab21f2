/**
 * Decodes values that cloudpickle stores by value: functions and classes become opaque data, Enums and named tuples
 * become values.
 *
 * @since 0.1.0
 */
import { type Create, inert } from "../context.ts"
import { NamedTuple, Tuple } from "../values/containers.ts"
import { appendState, isDict, Opaque, PyEnum, PyGlobal, PyObject } from "../values/objects.ts"

const opaque = (kind: Opaque["kind"]): Create => (_context, args, kwargs, cls) => new Opaque(kind, cls, args, kwargs)

/** `_builtin_type("CodeType")` names a type of the interpreter; code objects are calls of that type. */
const builtinType: Create = (_context, args, kwargs, cls) => new Opaque("class", cls, args, kwargs)

const entry = (dict: unknown, key: string): unknown => {
  if (!isDict(dict)) return undefined
  if (dict instanceof Map) return dict.get(key)
  return Object.hasOwn(dict, key) ? dict[key] : undefined
}

/** `_class_setstate(cls, state)` and the like: the state belongs to the first argument, which is also the result. */
const setState: Create = (_context, args) => {
  const [target, state] = args
  if (!(target instanceof PyObject) || args.length !== 2) return inert
  appendState(target, state)
  return target
}

/** The attributes that the state of a class stored by value set. */
const attributesOf = (cls: PyObject): unknown => {
  const state = cls.state
  return Array.isArray(state) ? state[0] : state
}

const classNameOf = (cls: PyObject): string => {
  // `_make_skeleton_class(type, name, bases, {"__module__"}, …)`, `_make_skeleton_enum(bases, name, qualname, members, module, …)`
  const isEnum = cls.class instanceof PyGlobal && cls.class.name === "_make_skeleton_enum"
  const name = isEnum ? cls.args[2] : cls.args[1]
  const module = isEnum ? cls.args[4] : entry(cls.args[3], "__module__") ?? entry(attributesOf(cls), "__module__")
  return `${typeof module === "string" ? module : "__main__"}.${typeof name === "string" ? name : "object"}`
}

const sameValue = (a: unknown, b: unknown): boolean => {
  if (a === b) return true
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
  return a.every((item, i) => item === b[i])
}

const maxBases = 20

/** The fields of a named tuple: its own, or those of the first base that has any. */
const fieldsOf = (cls: PyObject): unknown => {
  let at: PyObject | undefined = cls
  for (let depth = 0; at !== undefined && depth < maxBases; depth++) {
    const bases: ReadonlyArray<unknown> = Array.isArray(at.args[2]) ? at.args[2] : []
    // The base of a class statement, `typing.NamedTuple`, is a function; its classes extend tuple.
    const extendsTuple = bases.some((base) =>
      base instanceof PyGlobal &&
      (base.qualifiedName === "builtins.tuple" || base.qualifiedName === "typing.NamedTuple")
    )
    if (extendsTuple) return entry(attributesOf(at), "_fields")
    at = bases.find((base): base is Opaque => base instanceof Opaque)
  }
  return undefined
}

/**
 * An instance of a class that the pickle carries: an Enum member or a named tuple is decoded, any other instance stays
 * inert.
 *
 * @internal
 */
export const instance: Create = (context, args, _kwargs, cls) => {
  if (!(cls instanceof PyObject) || !(cls.class instanceof PyGlobal)) return inert
  if (cls.class.name === "_make_skeleton_enum") {
    const members = cls.args[3]
    const value = args[0]
    if (args.length !== 1 || !isDict(members)) return inert
    const names = members instanceof Map ? [...members.keys()] : Object.keys(members)
    context.charge(names.length)
    const name = names.find((key) =>
      sameValue(members instanceof Map ? members.get(key) : members[key as string], value)
    )
    return new PyEnum(classNameOf(cls), typeof name === "string" ? name : null, value)
  }
  if (cls.class.name === "_make_skeleton_class" || cls.class.name === "_make_class_skeleton") {
    const fields = fieldsOf(cls)
    if (!(fields instanceof Tuple) || !fields.every((field) => typeof field === "string")) return inert
    const items: ReadonlyArray<unknown> = args.length === 1 && args[0] instanceof Tuple && fields.length !== 1
      ? args[0]
      : args
    if (items.length !== fields.length) return inert
    return namedTuple(classNameOf(cls), fields as ReadonlyArray<string>, items)
  }
  return inert
}

/** @internal */
export const namedTuple = (
  className: string,
  fields: ReadonlyArray<string>,
  items: ReadonlyArray<unknown>
): NamedTuple => {
  const out = new NamedTuple()
  for (const item of items) out.push(item)
  out.className = className
  out.fields = fields
  return out
}

const codeTypes: Create = (_context, args, kwargs, cls) => new Opaque("code", cls, args, kwargs)

/** @internal */
export const cloudpickle: Readonly<Record<string, Create>> = Object.fromEntries(
  ["cloudpickle.cloudpickle", "cloudpickle.cloudpickle_fast", "cloudpickle"].flatMap((module) =>
    ([
      ["_make_function", opaque("function")],
      ["_make_skel_func", opaque("function")],
      ["_fill_function", opaque("function")],
      ["_make_skeleton_class", opaque("class")],
      ["_make_skeleton_enum", opaque("class")],
      ["_make_cell", opaque("other")],
      ["_make_empty_cell", opaque("other")],
      ["_builtin_type", builtinType],
      ["_make_typevar", opaque("other")],
      ["subimport", opaque("module")],
      ["dynamic_subimport", opaque("module")],
      ["_function_setstate", setState],
      ["_class_setstate", setState]
    ] as ReadonlyArray<readonly [string, Create]>).map(([name, create]) => [`${module}.${name}`, create] as const)
  ).concat([["types.CodeType", codeTypes], ["builtins.code", codeTypes]])
)
