// Measured: bench/pickle.bench.ts
/**
 * The table of all classes that this package knows, with their decoders.
 *
 * @since 0.1.0
 */
import { setUuidState, stdlib } from "./classes/builtins.ts"
import { cloudpickle, instance, namedTuple } from "./classes/cloudpickle.ts"
import { temporal } from "./classes/datetime.ts"
import { numpy, setArrayState, setDTypeState } from "./classes/numpy.ts"
import { finishExtensionArray, finishFrame, setDataFrameState, setSeriesState } from "./classes/pandas/blocks.ts"
import { pandas } from "./classes/pandas/index.ts"
import type { Context, Create } from "./context.ts"
import type { ClassDecoder } from "./options.ts"
import { toJson } from "./projection.ts"
import type { NamedTuple } from "./values/containers.ts"
import { DataFrame, NA, NaT, Series } from "./values/dataframe.ts"
import { bindProjection } from "./values/json.ts"
import { DType, NdArray } from "./values/ndarray.ts"
import { Opaque, PyEnum, PyGlobal, PyObject, UUID } from "./values/objects.ts"

interface Known {
  readonly create?: Create
  /** The value of a reference to the class. */
  readonly constant?: unknown
}

const known = new Map<string, Known>()
for (const table of [stdlib, temporal, numpy, pandas, cloudpickle]) {
  for (const [name, create] of Object.entries(table)) known.set(name, { create })
}
for (const name of ["pandas._libs.missing.NA", "pandas.NA"]) known.set(name, { constant: NA })
for (const name of ["pandas._libs.tslibs.nattype.NaT", "pandas._libs.tslib.NaT", "pandas.NaT"]) {
  known.set(name, { constant: NaT })
}

// Injected here, because a class of a value cannot import the module that is built from all of them.
bindProjection(toJson)

const ofInstances: Known = { create: instance }

/** @internal */
export const decoderOf = (callable: PyGlobal | PyObject): Known | undefined =>
  callable instanceof PyGlobal
    ? known.get(callable.qualifiedName)
    : callable instanceof Opaque
    ? ofInstances
    : undefined

type StateSetter = (context: Context, value: never, state: unknown) => void

const setters = new Map<unknown, StateSetter>([
  [NdArray.prototype, setArrayState],
  [DType.prototype, setDTypeState],
  [UUID.prototype, setUuidState],
  [DataFrame.prototype, setDataFrameState],
  [Series.prototype, setSeriesState]
])

/** @internal */
export const stateSetterOf = (
  value: object
): ((context: Context, value: unknown, state: unknown) => void) | undefined =>
  setters.get(Object.getPrototypeOf(value)) as ((context: Context, value: unknown, state: unknown) => void) | undefined

type Finisher = (context: Context, object: PyObject) => unknown

/**
 * Converts an object into a typed value once its state is known; most classes have none.
 *
 * @internal
 */
export const finisherOf = (object: PyObject): Finisher | undefined => {
  const { state } = object
  if (typeof state !== "object" || state === null || object instanceof Opaque) return undefined
  const cls = object.class
  if (!(cls instanceof PyGlobal)) return undefined
  if (cls.module.startsWith("pandas.") || cls.module === "geopandas.array") return finishExtensionArray
  // The state of a subclass of DataFrame or Series identifies it.
  return "_typ" in state || (state instanceof Map && state.has("_typ")) ? finishFrame : undefined
}

const referenceTypes = new Set(
  ("int float str bytes bytearray bool list dict tuple set frozenset object type complex range slice Ellipsis " +
    "NotImplemented getattr memoryview property super").split(" ")
)

/**
 * Whether a name is allowed under `unknown: "refuse"`: classes with a decoder, builtin types and exceptions, and the
 * inner classes of NumPy, pandas and Arrow that their decoders read.
 *
 * @internal
 */
export const isKnownReference = (global: PyGlobal): boolean => {
  const { module, name } = global
  if (known.has(global.qualifiedName)) return true
  if (module === "builtins") {
    return referenceTypes.has(name) || /(?:Error|Exception|Warning|Exit|Interrupt|Iteration|Group)$/.test(name)
  }
  return module === "pandas" || module.startsWith("pandas.") || module.startsWith("numpy.") || module === "numpy" ||
    module === "pyarrow.lib" || (module === "functools" && name === "partial") || module === "zoneinfo" ||
    module === "pytz" || module.startsWith("dateutil.tz") || module.startsWith("pendulum.tz")
}

const states = new WeakMap<object, unknown>()

/**
 * Keeps the state of a value whose class has no place for it.
 *
 * @internal
 */
export const keepState = (value: object, state: unknown): void => {
  states.set(value, state)
}

/**
 * The state that a pickle set on a value whose type here has no place for it, e.g. the attributes of an OrderedDict.
 * `undefined` when there is none.
 *
 * @category objects
 * @since 0.1.0
 */
export const stateOf = (value: object): unknown => value instanceof PyObject ? value.state : states.get(value)

/**
 * A decoder for an Enum: `members` maps names to values.
 *
 * @category options
 * @since 0.1.0
 */
export const enumDecoder = (members: Readonly<Record<string, unknown>>): ClassDecoder<PyEnum> => ({
  create: (args, _kwargs, cls) => {
    const value = args[0]
    const name = Object.keys(members).find((key) => members[key] === value) ?? null
    return new PyEnum(cls.qualifiedName, name, value)
  }
})

/**
 * A decoder for a named tuple with these fields.
 *
 * @category options
 * @since 0.1.0
 */
export const namedTupleDecoder = (fields: ReadonlyArray<string>): ClassDecoder<NamedTuple> => ({
  create: (args, _kwargs, cls) => {
    const only = args[0]
    const items: ReadonlyArray<unknown> = args.length === 1 && Array.isArray(only) && fields.length !== 1 ? only : args
    return namedTuple(cls.qualifiedName, fields, items)
  }
})
