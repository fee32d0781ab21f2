/**
 * Converts inert objects of known libraries to plain values, tuples, arrays, columns and frames.
 *
 * @since 0.1.0
 */
import { arrowColumn } from "./classes/arrow.ts"
import { baseOf } from "./classes/builtins.ts"
import { pendulumOf } from "./classes/datetime.ts"
import { exceptionOf } from "./classes/exceptions.ts"
import { emptyIndex } from "./classes/pandas/columns.ts"
import { geometryOf } from "./classes/wkb.ts"
import { PickleError } from "./errors.ts"
import { KeyList, keysOf } from "./objectKeys.ts"
import { NamedTuple, PyDict, Tuple } from "./values/containers.ts"
import { Column, DataFrame, Index } from "./values/dataframe.ts"
import { Timezone, ZoneInfo, zoneOf } from "./values/datetime.ts"
import { Dict } from "./values/dict.ts"
import { defaultEqualityBudget } from "./values/equality.ts"
import { NdArray, NpScalar } from "./values/ndarray.ts"
import { isDict, Opaque, PyEnum, PyGlobal, PyObject } from "./values/objects.ts"
import { SparseMatrix } from "./values/sparse.ts"

const entriesOf = (dict: Record<string, unknown> | Map<unknown, unknown>): Iterable<[unknown, unknown]> =>
  dict instanceof Map ? dict.entries() : pairsOf(dict)

function* pairsOf(dict: Record<string, unknown>): IterableIterator<[string, unknown]> {
  for (const key of keysOf(dict)) yield [key, dict[key]]
}

/** A dict with the given entries: an object where `loads` makes one. */
const dictOf = (entries: Iterable<readonly [unknown, unknown]>): Record<string, unknown> | PyDict => {
  const map = new PyDict(entries)
  for (const key of map.keys()) if (typeof key !== "string" || /^\d/.test(key)) return map
  const out = new Dict()
  for (const [key, value] of map) out[key as string] = value
  return out
}

/** Entries between two steps. */
const every = 4_096

/**
 * The steps of `plainOf` for an object of a subclass of dict with very many entries; `undefined` for any other object.
 *
 * @category objects
 * @since 0.1.0
 */
export const largePlainOf = (object: PyObject): Generator<undefined, unknown> | undefined => {
  const isLarge = object.pairs.length > every && object.items.length === 0 && object.args.length === 0 &&
    object.kwargs === null && object.class instanceof PyGlobal && !isOfLibrary(object.class) && hasNoState(object)
  return isLarge ? largeDictOf(object.pairs) : undefined
}

/** V8 numbers the keys of an object with 23 bits: from then on each further key takes a second. */
const maxKeys = 8_000_000

/** As `dictOf`, in steps. */
function* largeDictOf(pairs: ReadonlyArray<readonly [unknown, unknown]>): Generator<undefined, unknown> {
  const map = new PyDict()
  const budget = defaultEqualityBudget()
  let isText = true
  for (let at = 0; at < pairs.length; at++) {
    const [key, value] = pairs[at]!
    map.insert(key, value, budget)
    isText &&= typeof key === "string" && !/^\d/.test(key)
    if (at % every === 0) yield
  }
  if (!isText || map.size > maxKeys) return map
  const out = new Dict()
  const keys = new KeyList()
  let looked = 0
  for (const [key, value] of map) {
    keys.set(out, key as string, value)
    if (++looked % every === 0) yield
  }
  yield* keys.close(out)
  return out
}

const isArray = (value: unknown): value is ReadonlyArray<unknown> => Array.isArray(value)

// The standard library

const ipv4 = (value: bigint): string => [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".")

/**
 * Python's text of an IPv6 address: the longest run of two or more zeros is omitted, the first of several equal ones.
 */
const ipv6 = (value: bigint): string => {
  const groups = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - 16 * i)) & 0xffffn))
  let [best, bestLength] = [-1, 1]
  for (let i = 0; i < 8; i++) {
    let end = i
    while (end < 8 && groups[end] === 0) end++
    if (end - i > bestLength) [best, bestLength] = [i, end - i]
  }
  const hex = (part: ReadonlyArray<number>) => part.map((group) => group.toString(16)).join(":")
  return best < 0 ? hex(groups) : `${hex(groups.slice(0, best))}::${hex(groups.slice(best + bestLength))}`
}

const address = (bits: 32 | 128, text: (value: bigint) => string) => ({ args }: PyObject): unknown => {
  const [first] = args
  if (typeof first === "string" && args.length === 1) return first
  const value = typeof first === "bigint" || Number.isSafeInteger(first) ? BigInt(first as number) : -1n
  return value >= 0n && value < 1n << BigInt(bits) && args.length === 1 ? text(value) : undefined
}

/** The value of one argument or attribute, when it has one of the accepted types. */
const argument = (isValue: (value: unknown) => boolean) => ({ args }: PyObject): unknown =>
  args.length === 1 && isValue(args[0]) ? args[0] : undefined

const userData = (isValue: (value: unknown) => boolean) => (object: PyObject): unknown => {
  const attributes = object.attributes()
  const data = attributes.get("data")
  return attributes.size === 1 && isValue(data) ? data : undefined
}

type AnyDict = Record<string, unknown> | Map<unknown, unknown>

/**
 * The dicts of a ChainMap and of those in it, in the order of the first or the last place of each; `undefined` when one
 * of them is no dict.
 */
const chained = (object: PyObject, order: "first" | "last"): ReadonlyArray<AnyDict> | undefined => {
  const out: Array<AnyDict> = []
  // Explicit, and each once: a ChainMap may be in another any number of times, and deep.
  const seen = new Set<unknown>()
  const todo: Array<unknown> = [object]
  while (todo.length > 0) {
    const map = todo.pop()
    if (seen.has(map)) continue
    seen.add(map)
    if (map instanceof PyObject && map.className === "collections.ChainMap") {
      const maps = map.attributes().get("maps")
      if (!isArray(maps)) return undefined
      // The one that is added last is looked at first.
      for (const one of order === "first" ? maps.toReversed() : maps) todo.push(one)
    } else {
      const plain = map instanceof PyObject ? plainOf(map) : map
      if (!isDict(plain)) return undefined
      out.push(plain)
    }
  }
  return order === "first" ? out : out.reverse()
}

/** Python lists the keys from the last dict to the first, and the first dict that has a key has its value. */
const chainMap = (object: PyObject): unknown => {
  const first = chained(object, "first")
  const last = chained(object, "last")
  return first === undefined || last === undefined
    ? undefined
    : dictOf([...last.toReversed(), ...first.toReversed()].flatMap((dict) => [...entriesOf(dict)]))
}

const fieldNames = (text: string): ReadonlyArray<string> => text.split(" ")

/** The named tuples of the standard library and NumPy that programs commonly return. */
const namedTuples: Readonly<Record<string, ReadonlyArray<string>>> = {
  "decimal.DecimalTuple": fieldNames("sign digits exponent"),
  "difflib.Match": fieldNames("a b size"),
  "dis.Positions": fieldNames("lineno end_lineno col_offset end_col_offset"),
  "doctest.TestResults": fieldNames("failed attempted"),
  "functools.CacheInfo": fieldNames("hits misses maxsize currsize"),
  "functools._CacheInfo": fieldNames("hits misses maxsize currsize"),
  "importlib.metadata.EntryPoint": fieldNames("name value group"),
  "inspect.ArgInfo": fieldNames("args varargs keywords locals"),
  "inspect.ArgSpec": fieldNames("args varargs keywords defaults"),
  "inspect.Arguments": fieldNames("args varargs varkw"),
  "inspect.Attribute": fieldNames("name kind defining_class object"),
  "inspect.ClosureVars": fieldNames("nonlocals globals builtins unbound"),
  "inspect.FullArgSpec": fieldNames("args varargs varkw defaults kwonlyargs kwonlydefaults annotations"),
  "inspect.Traceback": fieldNames("filename lineno function code_context index"),
  "pkgutil.ModuleInfo": fieldNames("module_finder name ispkg"),
  "platform.uname_result": fieldNames("system node release version machine processor"),
  "sched.Event": fieldNames("time priority action argument kwargs"),
  "selectors.SelectorKey": fieldNames("fileobj fd events data"),
  "shutil._ntuple_diskusage": fieldNames("total used free"),
  "shutil.usage": fieldNames("total used free"),
  "ssl.DefaultVerifyPaths": fieldNames(
    "cafile capath openssl_cafile_env openssl_cafile openssl_capath_env openssl_capath"
  ),
  "statistics.LinearRegression": fieldNames("slope intercept"),
  "tokenize.TokenInfo": fieldNames("type string start end line"),
  "unittest.util.Mismatch": fieldNames("actual expected value"),
  "urllib.parse.DefragResult": fieldNames("url fragment"),
  "urllib.parse.DefragResultBytes": fieldNames("url fragment"),
  "urllib.parse.ParseResult": fieldNames("scheme netloc path params query fragment"),
  "urllib.parse.ParseResultBytes": fieldNames("scheme netloc path params query fragment"),
  "urllib.parse.SplitResult": fieldNames("scheme netloc path query fragment"),
  "urllib.parse.SplitResultBytes": fieldNames("scheme netloc path query fragment"),
  "urllib.robotparser.RequestRate": fieldNames("requests seconds"),
  "wave._wave_params": fieldNames("nchannels sampwidth framerate nframes comptype compname"),
  // Those of NumPy, and those of SciPy that are made the same way
  EigResult: fieldNames("eigenvalues eigenvectors"),
  EighResult: fieldNames("eigenvalues eigenvectors"),
  QRResult: fieldNames("Q R"),
  SlogdetResult: fieldNames("sign logabsdet"),
  SVDResult: fieldNames("U S Vh"),
  UniqueAllResult: fieldNames("values indices inverse_indices counts"),
  UniqueCountsResult: fieldNames("values counts"),
  UniqueInverseResult: fieldNames("values inverse_indices")
}

/** Structures of the operating system, which are pickled as a tuple and the additional fields. */
const structures: Readonly<Record<string, ReadonlyArray<string>>> = {
  "time.struct_time": fieldNames("tm_year tm_mon tm_mday tm_hour tm_min tm_sec tm_wday tm_yday tm_isdst"),
  "os.stat_result": fieldNames("st_mode st_ino st_dev st_nlink st_uid st_gid st_size st_atime st_mtime st_ctime"),
  "os.statvfs_result": fieldNames(
    "f_bsize f_frsize f_blocks f_bfree f_bavail f_files f_ffree f_favail f_flag f_namemax"
  ),
  "os.terminal_size": fieldNames("columns lines"),
  "os.times_result": fieldNames("user system children_user children_system elapsed"),
  "os.uname_result": fieldNames("sysname nodename release version machine"),
  "posix.times_result": fieldNames("user system children_user children_system elapsed"),
  "posix.uname_result": fieldNames("sysname nodename release version machine"),
  "pwd.struct_passwd": fieldNames("pw_name pw_passwd pw_uid pw_gid pw_gecos pw_dir pw_shell"),
  "grp.struct_group": fieldNames("gr_name gr_passwd gr_gid gr_mem"),
  "resource.struct_rusage": fieldNames(
    "ru_utime ru_stime ru_maxrss ru_ixrss ru_idrss ru_isrss ru_minflt ru_majflt ru_nswap ru_inblock ru_oublock " +
      "ru_msgsnd ru_msgrcv ru_nsignals ru_nvcsw ru_nivcsw"
  )
}

const namedTuple = (className: string, fields: ReadonlyArray<string>, items: ReadonlyArray<unknown>): NamedTuple => {
  const out = new NamedTuple()
  for (const item of items) out.push(item)
  out.className = className
  out.fields = fields
  return out
}

/**
 * The enumerations of the standard library that programs commonly return; a member is pickled as a call with its value.
 */
const enums = new Set(
  ("calendar.Day calendar.Month enum.EnumCheck enum.FlagBoundary http.HTTPMethod http.HTTPStatus inspect.BufferFlags " +
    "inspect._ParameterKind plistlib.PlistFormat pstats.SortKey py_compile.PycInvalidationMode re.RegexFlag " +
    "signal.Handlers signal.Sigmasks signal.Signals socket.AddressFamily socket.AddressInfo socket.MsgFlag " +
    "socket.SocketKind ssl.AlertDescription ssl.Options ssl.SSLErrorNumber ssl.TLSVersion ssl.VerifyFlags " +
    "ssl.VerifyMode ssl._SSLMethod symtable.SymbolTableType uuid.SafeUUID numpy._CopyMode numpy.CopyMode").split(" ")
)

const signals =
  ("HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN " +
    "TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS").split(" ")

/** Members of enumerations that Python before 3.11 pickles by their name in a module; the values are those of Linux. */
const members = new Map<string, readonly [className: string, value: number]>([
  ...signals.map((name, i) => [`signal.SIG${name}`, ["signal.Signals", i + 1]] as const),
  ["socket.AF_UNIX", ["socket.AddressFamily", 1]],
  ["socket.AF_INET", ["socket.AddressFamily", 2]],
  ["socket.AF_INET6", ["socket.AddressFamily", 10]],
  ["socket.SOCK_STREAM", ["socket.SocketKind", 1]],
  ["socket.SOCK_DGRAM", ["socket.SocketKind", 2]],
  ["socket.SOCK_RAW", ["socket.SocketKind", 3]]
])

/**
 * The member of a standard library enumeration that a name refers to; `undefined` for any other name.
 *
 * @internal
 */
export const memberOf = (global: PyGlobal): PyEnum | undefined => {
  const member = members.get(global.qualifiedName)
  return member === undefined ? undefined : new PyEnum(member[0], global.name, member[1])
}

// Libraries

/** A row of SQLAlchemy 1.3 to 2.1: `rowproxy_reconstructor(class, state)`. */
const sqlRow = ({ args }: PyObject): unknown => {
  const [cls, state] = args
  if (!isDict(state)) return undefined
  const get = (key: string): unknown => state instanceof Map ? state.get(key) : state[key]
  const items = get("_data") ?? get("_row")
  if (!isArray(items)) return undefined
  const parent = get("_parent")
  const attributes = parent instanceof PyObject ? parent.attributes() : new Map<string, unknown>()
  const keys = attributes.get("_keys") ?? attributes.get("keys")
  const fields = isArray(keys) && keys.length === items.length && keys.every((key) => typeof key === "string")
    ? keys as ReadonlyArray<string>
    : []
  if (cls instanceof PyGlobal && cls.name === "RowMapping" && fields.length > 0) {
    return dictOf(fields.map((field, i) => [field, items[i]] as const))
  }
  return namedTuple(cls instanceof PyGlobal ? cls.qualifiedName : "sqlalchemy.engine.row.Row", fields, items)
}

const sparse = (object: PyObject): unknown => {
  const format = /(?:^|\.)(csr|csc|bsr|coo|dia|lil|dok)_(?:matrix|array)$/.exec(object.className)?.[1]
  const attributes = object.attributes()
  const shape = attributes.get("_shape") ?? attributes.get("shape")
  if (format === undefined || !isArray(shape) || !shape.every((n) => Number.isSafeInteger(n) && (n as number) >= 0)) {
    return undefined
  }
  const parts = new Map<string, unknown>()
  if (format === "dok") {
    const stored = attributes.get("_dict")
    const base = object.args[0]
    const pairs = isDict(stored) ? [...entriesOf(stored)] : isDict(base) ? [...entriesOf(base)] : object.pairs
    parts.set("data", pairs.map(([, value]) => value))
    const positions = pairs.map(([key]) => isArray(key) ? key : [key])
    parts.set("coords", shape.map((_, axis) => positions.map((position) => plainNumber(position[axis]))))
  } else {
    const coords = attributes.get("coords")
    for (const name of ["data", "indices", "indptr", "row", "col", "offsets", "rows"]) {
      if (attributes.has(name)) parts.set(name, attributes.get(name))
    }
    if (isArray(coords)) {
      if (coords.length === 2) {
        parts.set("row", coords[0])
        parts.set("col", coords[1])
      } else parts.set("coords", coords)
    }
  }
  return parts.has("data")
    ? new SparseMatrix(object.className, format, shape as ReadonlyArray<number>, parts)
    : undefined
}

const plainNumber = (value: unknown): unknown => value instanceof NpScalar ? value.value : value

/** The data of an xarray variable: an array, or the index that replaces one. */
const xarrayData = (value: unknown): unknown => {
  let at = value
  let level: unknown
  for (let depth = 0; depth < 20 && at instanceof PyObject; depth++) {
    const attributes = at.attributes()
    level ??= attributes.get("level")
    at = attributes.get("array") ?? attributes.get("_data") ?? at.args[0]
  }
  // A coordinate that is one level of an index of several.
  if (at instanceof Index && at.levels !== null && typeof level === "string") {
    const place = at.names.indexOf(level)
    return place < 0 ? value : at.toArray().map((label) => isArray(label) ? label[place] : null)
  }
  return at instanceof NdArray || at instanceof Index || at instanceof Column ? at : value
}

const xarrayVariable = (value: unknown): Record<string, unknown> | undefined => {
  if (!(value instanceof PyObject)) return undefined
  const attributes = value.attributes()
  const dims = attributes.get("_dims")
  if (!isArray(dims)) return undefined
  const out = new Dict()
  out["dims"] = dims
  out["attrs"] = attributes.get("_attrs") ?? new Dict()
  out["data"] = xarrayData(attributes.get("_data"))
  return out
}

const xarrayVariables = (value: unknown): ReadonlyArray<readonly [unknown, Record<string, unknown>]> | undefined => {
  if (!isDict(value)) return undefined
  const out: Array<readonly [unknown, Record<string, unknown>]> = []
  for (const [name, variable] of entriesOf(value)) {
    const one = xarrayVariable(variable)
    if (one === undefined) return undefined
    out.push([name, one])
  }
  return out
}

/** Like `DataArray.to_dict()`. */
const dataArray = (object: PyObject): unknown => {
  const attributes = object.attributes()
  const variable = xarrayVariable(attributes.get("_variable"))
  const coords = xarrayVariables(attributes.get("_coords"))
  if (variable === undefined || coords === undefined) return undefined
  const out = new Dict()
  out["dims"] = variable["dims"]
  out["attrs"] = variable["attrs"]
  out["data"] = variable["data"]
  out["coords"] = dictOf(coords)
  out["name"] = attributes.get("_name") ?? null
  return out
}

const shapeOf = (data: unknown): ReadonlyArray<number> =>
  data instanceof NdArray ? data.shape : data instanceof Index || data instanceof Column ? [data.length] : []

/** Like `Dataset.to_dict()`. */
const dataset = (object: PyObject): unknown => {
  const attributes = object.attributes()
  const variables = xarrayVariables(attributes.get("_variables"))
  const names = attributes.get("_coord_names")
  if (variables === undefined) return undefined
  const coordNames = new Set(names instanceof Set || isArray(names) ? names : [])
  const dims = new Map<unknown, number>()
  for (const [, { data, dims: own }] of variables) {
    const shape = shapeOf(data)
    ;(own as ReadonlyArray<unknown>).forEach((dim, i) => {
      if (shape[i] !== undefined) dims.set(dim, shape[i])
    })
  }
  const out = new Dict()
  out["coords"] = dictOf(variables.filter(([name]) => coordNames.has(name)))
  out["attrs"] = attributes.get("_attrs") ?? new Dict()
  out["dims"] = dictOf(dims)
  out["data_vars"] = dictOf(variables.filter(([name]) => !coordNames.has(name)))
  return out
}

/** A pyarrow array as a column; one of an unsupported type stays inert. */
const arrowArray = (object: PyObject): Column | undefined => {
  const arrow = arrowColumn(object)
  if (arrow === null) return undefined
  const { get, kind, length, nulls, type, tz, unit, values } = arrow
  return new Column({ dtype: `${type}[pyarrow]`, kind, length, nulls, values, unit, tzinfo: tz, get, missing: null })
}

/** A pyarrow Table or RecordBatch: its columns and schema. */
const arrowTable = ({ args }: PyObject): DataFrame | undefined => {
  const [arrays, schema] = args
  const fields = schema instanceof PyObject ? schema.args[0] : undefined
  if (!isArray(arrays) || !isArray(fields) || arrays.length !== fields.length) return undefined
  const columns: Array<Column> = []
  for (const array of arrays) {
    const column = array instanceof PyObject ? arrowArray(array) : array
    if (!(column instanceof Column) || column.length !== (columns[0]?.length ?? column.length)) return undefined
    columns.push(column)
  }
  const names = fields.map((field) => field instanceof PyObject ? field.args[0] : "")
  const frame = new DataFrame(
    new Index(
      "Index",
      null,
      new Column({ dtype: "object", kind: "object", length: names.length, values: () => names })
    ),
    emptyIndex(),
    columns
  )
  frame.className = "pyarrow.lib.Table"
  const length = columns[0]?.length ?? 0
  const index = new Index(
    "RangeIndex",
    null,
    new Column({ dtype: "int64", kind: "int", length, values: () => Float64Array.from({ length }, (_, i) => i) })
  )
  index.range = { start: 0, stop: length, step: 1 }
  frame.index = index
  return frame
}

type Decode = (object: PyObject) => unknown

const isText = (value: unknown): boolean => typeof value === "string"

const dictView = ({ args }: PyObject): unknown => {
  const [source] = args
  return isDict(source) ? [...entriesOf(source)].map((pair) => Tuple.from(pair)) : isArray(source) ? source : undefined
}

const decoders = new Map<string, Decode>([
  ["ipaddress.IPv4Address", address(32, ipv4)],
  ["ipaddress.IPv6Address", address(128, ipv6)],
  ...["IPv4Network", "IPv6Network", "IPv4Interface", "IPv6Interface"].map((name) =>
    [`ipaddress.${name}`, argument(isText)] as const
  ),
  ["types.MappingProxyType", argument(isDict)],
  ["builtins.mappingproxy", argument(isDict)],
  ["collections.UserDict", userData(isDict)],
  ["collections.UserList", userData(isArray)],
  ["collections.UserString", userData(isText)],
  ["collections.ChainMap", chainMap],
  ...["cloudpickle.cloudpickle", "cloudpickle.cloudpickle_fast", "cloudpickle"].flatMap((module) =>
    ["keys", "values", "items"].map((view) => [`${module}._make_dict_${view}`, dictView] as const)
  ),
  ["pyarrow.lib._restore_array", arrowArray],
  ["pyarrow.lib.chunked_array", arrowArray],
  ["pyarrow.lib._reconstruct_table", arrowTable],
  ["pyarrow.lib._reconstruct_record_batch", arrowTable],
  ["pyarrow.lib.scalar", ({ args }) => args[0]],
  ["xarray.core.dataarray.DataArray", dataArray],
  ["xarray.core.dataset.Dataset", dataset],
  ["xarray.core.variable.Variable", xarrayVariable],
  ["xarray.core.variable.IndexVariable", xarrayVariable]
])

const libraries: ReadonlyArray<readonly [module: string, decode: Decode]> = [
  ["sqlalchemy.", (object) => object.className.endsWith(".rowproxy_reconstructor") ? sqlRow(object) : undefined],
  ["scipy.sparse", sparse],
  ["shapely", (object) => geometryOf(object) ?? undefined],
  ["pygeos", (object) => geometryOf(object) ?? undefined],
  ["pendulum", (object) => pendulumOf(object) ?? undefined],
  ["tblib.", (object) => {
    const exception = exceptionOf(object)
    return exception === object ? undefined : exception
  }]
]

const modules = new Set([
  "builtins",
  "cloudpickle",
  "collections",
  "dateutil",
  "geopandas",
  "ipaddress",
  "isodate",
  "numpy",
  "pandas",
  "pendulum",
  "psycopg2",
  "pyarrow",
  "pygeos",
  "pytz",
  "pytz_deprecation_shim",
  "scipy",
  "shapely",
  "sqlalchemy",
  "tblib",
  "types",
  "xarray",
  "zoneinfo"
])

/**
 * Whether objects of a class, or calls of a function, may be converted: see `plainOf`. A pickle without such a name
 * needs no conversion.
 *
 * @category objects
 * @since 0.1.0
 */
export const mayBePlain = (global: PyGlobal): boolean => {
  if (global.isCollection) return true
  let isKnown = known.get(global)
  if (isKnown === undefined) known.set(global, isKnown = isOfLibrary(global))
  return isKnown
}

/** Cached per class. */
const known = new WeakMap<PyGlobal, boolean>()

const isOfLibrary = ({ module, qualifiedName }: PyGlobal): boolean => {
  const dot = module.indexOf(".")
  return modules.has(dot < 0 ? module : module.slice(0, dot)) || decoders.has(qualifiedName) ||
    Object.hasOwn(namedTuples, qualifiedName) || Object.hasOwn(structures, qualifiedName) ||
    enums.has(qualifiedName) || members.has(qualifiedName)
}

const hasNoState = (object: PyObject): boolean =>
  object.states.every((state) => state === null || (isDict(state) && [...entriesOf(state)].length === 0))

/** An object of a subclass of list or dict without any state: the list or dict. */
const collection = (object: PyObject): unknown => {
  if (object.kwargs !== null || !hasNoState(object)) return undefined
  const { args, items, pairs } = object
  // Protocols 0 and 1 pass the value of the base to its constructor.
  const base = args.length === 1 ? baseOf(object) : undefined
  if (base === "list" && isArray(args[0]) && pairs.length === 0) return [...args[0], ...items]
  if (base === "dict" && isDict(args[0]) && items.length === 0) return dictOf([...entriesOf(args[0]), ...pairs])
  // A subclass of defaultdict is constructed with its factory.
  const isFactory = args.length === 1 && pairs.length > 0 && (args[0] === null || args[0] instanceof PyGlobal)
  if (args.length > 0 && !isFactory) return undefined
  if (items.length > 0 && pairs.length === 0) return [...items]
  return pairs.length > 0 && items.length === 0 ? dictOf(pairs) : undefined
}

const fromLibrary = (object: PyObject, name: string): unknown => {
  const known = decoders.get(name)
  if (known !== undefined) return known(object)
  const fields = Object.hasOwn(namedTuples, name)
    ? namedTuples[name]
    : /^(?:numpy|scipy)\./.test(name)
    ? namedTuples[name.slice(name.lastIndexOf(".") + 1)]
    : undefined
  if (fields !== undefined && hasNoState(object)) {
    // `_make` and `_replace` pickle the class; older versions call it with one tuple.
    const items = object.args.length === 1 && isArray(object.args[0]) && fields.length !== 1
      ? object.args[0]
      : object.args
    return items.length <= fields.length + 1 && items.length > 0 ? namedTuple(name, fields, items) : undefined
  }
  if (Object.hasOwn(structures, name) && isArray(object.args[0])) {
    return namedTuple(name, structures[name]!, object.args[0])
  }
  if (enums.has(name) && object.args.length === 1) return new PyEnum(name, null, object.args[0])
  for (const [module, decode] of libraries) {
    if (!name.startsWith(module)) continue
    const value = decode(object)
    if (value !== undefined) return value
  }
  return undefined
}

/**
 * The plain value of an inert object of a known library, and the object itself for any other.
 *
 * **Details**
 *
 * IP addresses become text. mappingproxy, UserDict, ChainMap and subclasses of dict become dicts; UserList and
 * subclasses of list become lists, when they hold nothing else. Named tuples of the standard library and NumPy and rows
 * of SQLAlchemy become `NamedTuple`s, enumerations of the standard library `PyEnum`s, stand-alone zones `ZoneInfo` or
 * `Timezone`. pyarrow's arrays become `Column`s and its tables `DataFrame`s, SciPy's sparse matrices `SparseMatrix`,
 * xarray's datasets and arrays the dicts that their own `to_dict` returns, shapely's geometries GeoJSON, and tblib's
 * exceptions those of Python.
 *
 * @category objects
 * @since 0.1.0
 */
export const plainOf = (object: PyObject): unknown => {
  if (object instanceof Opaque || (object.class instanceof PyGlobal && !mayBePlain(object.class))) return object
  let value: unknown
  try {
    // What is known may be None.
    value = fromLibrary(object, object.className)
    if (value === undefined) value = collection(object)
  } catch (error) {
    // An inconsistent object stays as it is.
    if (!(error instanceof PickleError)) throw error
  }
  if (value !== undefined) return value
  const zone = zoneOf(object)
  if (zone === null) return object
  return zone.key === null ? new Timezone(zone.offset ?? 0) : new ZoneInfo(zone.key)
}
