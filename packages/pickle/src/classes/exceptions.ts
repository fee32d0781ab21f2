/**
 * Exceptions as tblib pickles them. Dask's `distributed`, among others, installs tblib.
 *
 * @since 0.1.0
 */
import { appendState, isDict, PyGlobal, PyObject } from "../values/objects.ts"

const entry = (dict: unknown, key: string): unknown =>
  !isDict(dict) ? undefined : dict instanceof Map ? dict.get(key) : Object.hasOwn(dict, key) ? dict[key] : undefined

const isTuple = (value: unknown): value is ReadonlyArray<unknown> => Array.isArray(value)

/**
 * The exception that a tblib call represents, in the form of Python's own pickle: its class, arguments and attributes;
 * cause, context and traceback are omitted. Other objects are returned unchanged.
 *
 * @category objects
 * @since 0.1.0
 */
export const exceptionOf = (object: PyObject): PyObject => {
  if (!(object.class instanceof PyGlobal) || object.class.module !== "tblib.pickling_support") return object
  const [cls, second] = object.args
  if (!(cls instanceof PyGlobal || cls instanceof PyObject)) return object
  // `unpickle_exception(class, args, cause, traceback, context, suppress, notes)`
  if (object.class.name === "unpickle_exception") {
    return isTuple(second) ? withStates(new PyObject(cls, second), object.states) : object
  }
  // `unpickle_exception_with_attrs(class, attributes, cause, traceback, context, suppress, notes, args)`
  if (object.class.name !== "unpickle_exception_with_attrs" || !isDict(second)) return object
  const given = entry(second, "args")
  const args = isTuple(given) ? given : isTuple(object.args[7]) ? object.args[7] : []
  const filename = entry(second, "filename")
  // `OSError.args` omits the file name, but its constructor takes it.
  const full = filename !== undefined && args.length === 2 ? [...args, filename] : args
  const dict = entry(second, "__dict__")
  return withStates(new PyObject(cls, full), isDict(dict) ? [dict, ...object.states] : object.states)
}

const withStates = (object: PyObject, states: ReadonlyArray<unknown>): PyObject => {
  for (const state of states) appendState(object, state)
  return object
}
