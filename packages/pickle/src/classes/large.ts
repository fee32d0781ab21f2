/**
 * Calls with very many items or characters, in steps: protocols 0 to 3 write a set as a call with the list of its
 * members, and protocols 0 to 2 write bytes as a call with a text.
 *
 * @since 0.1.0
 */
import type { Context } from "../context.ts"
import { fail } from "../errors.ts"
import { Counter, FrozenSet, OrderedDict, type PyDict, PySet } from "../values/containers.ts"
import type { PyGlobal } from "../values/objects.ts"
import { latin1Names } from "./builtins.ts"

type Steps = Generator<undefined, unknown>

/** Items that a call takes at once, and characters. */
const fewItems = 0x8000
const fewCharacters = 0x40000

/** Items between two steps. */
const every = 8_192

function* setOf(context: Context, out: PySet, members: ReadonlyArray<unknown>): Steps {
  context.charge(members.length)
  for (let at = 0; at < members.length; at++) {
    out.insert(members[at], context.equality)
    if (at % every === 0) yield
  }
  return out
}

function* dictOf(context: Context, out: PyDict, pairs: ReadonlyArray<unknown>): Steps {
  context.charge(pairs.length)
  for (let at = 0; at < pairs.length; at++) {
    const [key, value] = pairs[at] as ReadonlyArray<unknown>
    out.insert(key, value, context.equality)
    if (at % every === 0) yield
  }
  return out
}

function* latin1BytesOf(context: Context, text: string): Steps {
  context.charge(text.length)
  const out = new Uint8Array(text.length)
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code > 255) return fail("BadText", "a character above U+00FF in the text of bytes", "latin-1")
    out[at] = code
    if (at % fewCharacters === 0) yield
  }
  return out
}

/** The pairs of a Map, or of a dict object whose keys are listed: the engine would list those of a large one in one step. */
function* copyOf(
  context: Context,
  out: PyDict,
  source: ReadonlyMap<unknown, unknown> | Readonly<Record<string, unknown>>,
  keys: ReadonlyArray<string> | undefined
): Steps {
  const isMap = source instanceof Map
  context.charge(isMap ? source.size : keys!.length)
  let count = 0
  for (const key of isMap ? source.keys() : keys!) {
    const value = isMap ? source.get(key) : (source as Readonly<Record<string, unknown>>)[key as string]
    out.insert(key, value, context.equality)
    if (++count % every === 0) yield
  }
  return out
}

const isPair = (item: unknown): boolean => Array.isArray(item) && item.length === 2

/**
 * The steps of a call of a known class or function that takes very much; `undefined` for all other calls. `keysOf` lists
 * the keys of a large dict object, if they are known.
 *
 * @internal
 */
export const largeCall = (
  context: Context,
  { qualifiedName }: PyGlobal,
  args: ReadonlyArray<unknown>,
  keysOf: (dict: object) => ReadonlyArray<string> | undefined
) => {
  const [first, second] = args
  if (typeof first === "string") {
    if (first.length <= fewCharacters || args.length !== 2 || typeof second !== "string") return undefined
    const isEncode = qualifiedName === "_codecs.encode" || qualifiedName === "codecs.encode"
    return isEncode && latin1Names.has(second.toLowerCase()) ? latin1BytesOf(context, first) : undefined
  }
  if (typeof first !== "object" || first === null || args.length !== 1) return undefined
  if (!Array.isArray(first)) {
    const out = qualifiedName === "collections.Counter"
      ? new Counter()
      : qualifiedName === "collections.OrderedDict"
      ? new OrderedDict()
      : undefined
    if (out === undefined) return undefined
    const keys = first instanceof Map ? undefined : keysOf(first)
    const size = first instanceof Map ? first.size : keys?.length ?? 0
    return size > fewItems ? copyOf(context, out, first as Readonly<Record<string, unknown>>, keys) : undefined
  }
  if (first.length <= fewItems) return undefined
  const items: ReadonlyArray<unknown> = first
  switch (qualifiedName) {
    case "builtins.set":
      return setOf(context, new PySet(), items)
    case "builtins.frozenset":
      return setOf(context, new FrozenSet(), items)
    case "collections.OrderedDict":
      return items.every(isPair) ? dictOf(context, new OrderedDict(), items) : undefined
    case "collections.Counter":
      return items.every(isPair) ? dictOf(context, new Counter(), items) : undefined
  }
  return undefined
}
