/** The types of Arrow arrays, as pyarrow's pickles describe them. */
import type { TimeUnit } from "../values/dataframe.ts"
import { labelOf, numberOf } from "../values/integers.ts"
import { PyGlobal, PyObject } from "../values/objects.ts"

/** An Arrow type as a pickle describes it. */
export interface Type {
  /** Arrow's own name of it: `int64`, `timestamp[ns, tz=UTC]`, `list<item: int64>`. */
  readonly name: string
  /** The name without parameters. */
  readonly id: string
  /** The fields of a list, map or struct; the indices and values of a dictionary; the ends and values of runs. */
  readonly children: ReadonlyArray<Field>
  readonly unit: TimeUnit | null
  readonly tz: string | null
  /** Items of a fixed-size list, bytes of a fixed-size binary or decimal. */
  readonly size: number
  /** Digits after the point of a decimal. */
  readonly scale: number
  /** The type codes of a union, in the order of its children. */
  readonly codes: ReadonlyArray<number>
}

export interface Field {
  readonly name: string
  readonly type: Type
}

/** The deepest nesting of types, and of arrays. */
export const maxDepth = 64

/** Whether a value is a call of a function or class of this name. */
export const isCall = (value: unknown, name: string): value is PyObject =>
  value instanceof PyObject && value.class instanceof PyGlobal && value.class.name === name

const aliases: Readonly<Record<string, string>> = {
  utf8: "string",
  large_utf8: "large_string",
  bool_: "bool",
  float16: "halffloat",
  float32: "float",
  float64: "double",
  f8: "double",
  f4: "float",
  date32: "date32[day]",
  date64: "date64[ms]",
  list_: "list",
  map_: "map",
  json_: "string"
}

const timeUnits: ReadonlyArray<unknown> = ["s", "ms", "us", "ns"]

const type = (id: string, parts: Partial<Type> = {}): Type => ({
  name: id,
  id,
  children: [],
  unit: null,
  tz: null,
  size: 0,
  scale: 0,
  codes: [],
  ...parts
})

/** `field("a", type, nullable, metadata)`, or a type alone. */
const fieldOf = (value: unknown, name: string, depth: number): Field | null => {
  if (isCall(value, "field")) {
    const inner = typeOf(value.args[1], depth + 1)
    return inner === null ? null : { name: labelOf(value.args[0]), type: inner }
  }
  const inner = typeOf(value, depth + 1)
  return inner === null ? null : { name, type: inner }
}

const fieldsOf = (values: unknown, depth: number): ReadonlyArray<Field> | null => {
  if (!Array.isArray(values)) return null
  const out: Array<Field> = []
  for (const value of values) {
    const field = fieldOf(value, "", depth)
    if (field === null) return null
    out.push(field)
  }
  return out
}

const listNames: Readonly<Record<string, string>> = {
  list_: "list",
  large_list: "large_list",
  list_view: "list_view",
  large_list_view: "large_list_view"
}

const fieldText = (field: Field): string => `${field.name}: ${field.type.name}`

/**
 * A type from `type_for_alias("int64")`, `timestamp("ns", "UTC")`, `list_(field)` and the like; `null` for other
 * values.
 */
export const typeOf = (value: unknown, depth = 0): Type | null => {
  if (typeof value === "string") return type(aliases[value] ?? value)
  if (!(value instanceof PyObject) || depth > maxDepth) return null
  const { args } = value
  const [first, second, third] = args
  const name = value.class instanceof PyGlobal ? value.class.name : ""
  switch (name) {
    case "type_for_alias":
      return typeof first === "string" ? aliasType(aliases[first] ?? first) : null
    case "timestamp":
    case "duration":
    case "time32":
    case "time64": {
      if (!timeUnits.includes(first)) return null
      const tz = name === "timestamp" && typeof second === "string" ? second : null
      return type(name, {
        name: `${name}[${labelOf(first)}${tz === null ? "" : `, tz=${tz}`}]`,
        unit: first as TimeUnit,
        tz
      })
    }
    case "decimal32":
    case "decimal64":
    case "decimal128":
    case "decimal256":
    case "decimal": {
      const bits = Number(name.slice("decimal".length) || "128")
      return type("decimal", {
        name: `${name}(${args.map(labelOf).join(", ")})`,
        size: bits / 8,
        scale: numberOf(second ?? 0)
      })
    }
    case "binary":
      return typeof first === "number" && first >= 0
        ? type("fixed_size_binary", { name: `fixed_size_binary[${first}]`, size: first })
        : type("binary")
    case "fixed_shape_tensor": {
      const item = fieldOf(first, "item", depth)
      const length = Array.isArray(second) ? second.reduce((product: number, n) => product * numberOf(n), 1) : NaN
      return item === null || !(length >= 0 && length <= 0x7fffffff)
        ? null
        : type("fixed_size_list", { name: "extension<arrow.fixed_shape_tensor>", children: [item], size: length })
    }
    case "uuid":
      return type("uuid", { name: "extension<arrow.uuid>", size: 16 })
    case "bool8":
      return type("bool8")
    case "dictionary": {
      const [indices, values] = [fieldOf(first, "indices", depth), fieldOf(second, "values", depth)]
      return indices === null || values === null ? null : type("dictionary", {
        name: `dictionary<values=${values.type.name}, indices=${indices.type.name}, ordered=${third === true ? 1 : 0}>`,
        children: [indices, values]
      })
    }
    case "list_":
    case "large_list":
    case "list_view":
    case "large_list_view": {
      const item = fieldOf(first, "item", depth)
      if (item === null) return null
      const isFixed = name === "list_" && typeof second === "number" && second >= 0
      return isFixed
        ? type("fixed_size_list", {
          name: `fixed_size_list<${fieldText(item)}>[${second}]`,
          children: [item],
          size: second
        })
        : type(listNames[name]!, { name: `${listNames[name]}<${fieldText(item)}>`, children: [item] })
    }
    case "map_": {
      const [key, item] = [fieldOf(first, "key", depth), fieldOf(second, "value", depth)]
      return key === null || item === null
        ? null
        : type("map", { name: `map<${key.type.name}, ${item.type.name}>`, children: [key, item] })
    }
    case "struct": {
      const fields = fieldsOf(first, depth)
      return fields === null
        ? null
        : type("struct", { name: `struct<${fields.map(fieldText).join(", ")}>`, children: fields })
    }
    case "run_end_encoded": {
      const [ends, values] = [fieldOf(first, "run_ends", depth), fieldOf(second, "values", depth)]
      return ends === null || values === null
        ? null
        : type("run_end_encoded", {
          name: `run_end_encoded<run_ends: ${ends.type.name}, values: ${values.type.name}>`,
          children: [ends, values]
        })
    }
    case "union":
    case "sparse_union":
    case "dense_union": {
      const fields = fieldsOf(first, depth)
      const isDense = name === "dense_union" || second === "dense"
      const codes = Array.isArray(third) ? third : Array.isArray(second) ? second : []
      return fields === null ? null : type(isDense ? "dense_union" : "sparse_union", {
        name: `${isDense ? "dense" : "sparse"}_union<${fields.map(fieldText).join(", ")}>`,
        children: fields,
        codes: fields.map((_, i) => numberOf(codes[i] ?? i))
      })
    }
    default:
      if (args.length === 0) return name === "" ? null : type(aliases[name] ?? name)
      // An extension type is represented by its storage type.
      return typeOf(first, depth + 1)
  }
}

/** `timestamp[ms]`, `duration[us]` and the like by their name alone. */
const aliasType = (name: string): Type => {
  const time = /^(timestamp|duration|time32|time64)\[(s|ms|us|ns)\]$/.exec(name)
  return time === null ? type(name) : type(time[1]!, { name, unit: time[2] as TimeUnit })
}
