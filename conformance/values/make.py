# Prints, one JSON object per line, what the libraries of this environment pickle: a name, the pickle in base64, its
# JSON projection computed by Python, and for datetimes the instant. Features that a version does not have are omitted.
import array as arrays, base64, collections, datetime, decimal, enum, fractions, http, importlib, ipaddress, json, math, os, pickle, re
import signal, sys, time, types, urllib.parse, uuid, warnings

warnings.simplefilter("ignore")
import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray, ExtensionDtype


def module(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


pa, pl, gpd, xr = module("pyarrow"), module("polars"), module("geopandas"), module("xarray")
sparse, sa, image, pendulum = module("scipy.sparse"), module("sqlalchemy"), module("PIL.Image"), module("pendulum")
if sa:
    importlib.import_module("sqlalchemy.orm")
shapely, tz, pytz, zoneinfo = module("shapely.geometry"), module("dateutil.tz"), module("pytz"), module("zoneinfo")
mask = np.ma.masked
HIGHEST = 2 ** 53 - 1


class Subdict(dict):
    pass


class Sublist(list):
    pass


class Subdefault(collections.defaultdict):
    pass


class Subordered(collections.OrderedDict):
    pass


class Point(object):
    def __init__(self, x, y):
        self.x, self.y = x, y


class Rule(datetime.tzinfo):
    """A zone of the flow's own: nobody else knows its rule."""

    def utcoffset(self, when):
        return datetime.timedelta(hours=2)

    def dst(self, when):
        return datetime.timedelta(0)

    def tzname(self, when):
        return "RULE"


class Unread(object):
    """A cell of an array that is not read."""

    def __init__(self, name, args):
        self.form = dict(__class__="__main__." + name)
        if args:
            self.form["__args__"] = [project(x) for x in args]


class MoneyType(ExtensionDtype):
    name, type = "money", object

    @classmethod
    def construct_array_type(cls):
        return Money


class Money(ExtensionArray):
    """An array of the flow's own, that keeps its items in one list."""

    def __init__(self, items):
        self.items = list(items)

    @classmethod
    def _from_sequence(cls, items, dtype=None, copy=False):
        return cls(items)

    @property
    def dtype(self):
        return MoneyType()

    @property
    def nbytes(self):
        return 0

    def __len__(self):
        return len(self.items)

    def __getitem__(self, at):
        if isinstance(at, np.ndarray):
            return type(self)([x for x, y in zip(self.items, at) if y] if at.dtype == bool else [self.items[i] for i in at])
        return type(self)(self.items[at]) if isinstance(at, slice) else self.items[at]

    def isna(self):
        return np.array([x is None for x in self.items])

    def take(self, indices, allow_fill=False, fill_value=None):
        return type(self)([self.items[i] if i >= 0 else None for i in indices])

    def copy(self):
        return type(self)(self.items)


class Sealed(Money):
    """One whose state nobody else reads."""

    def __getstate__(self):
        return json.dumps([str(x) for x in self.items]).encode()

    def __setstate__(self, state):
        self.items = json.loads(state.decode())


def number(v):
    v = float(v)
    return v if math.isfinite(v) else None


def seconds(v):
    return v.total_seconds()


def missing(v):
    if v is None or v is pd.NaT or v is getattr(pd, "NA", pd.NaT):
        return True
    return isinstance(v, float) and v != v


def stamp(v):
    ns = v.nanosecond
    text = v.to_pydatetime(warn=False).isoformat()
    if not ns:
        return text
    head, _, tail = text.partition("+")
    micro = "%06d%03d" % (v.microsecond, ns)
    head = head.split(".")[0] + "." + micro
    return head + ("+" + tail if tail else "")


def rows(names, columns, length):
    out = []
    for i in range(length):
        row = {}
        for name, column in zip(names, columns):
            v = column[i]
            row[str(name)] = None if missing(v) else project(v)
        out.append(row)
    return out


def frame(df):
    return rows(list(df.columns), [list(cells(df.iloc[:, i])) for i in range(df.shape[1])], len(df))


def cells(series):
    array = series.array
    if type(array) is Money:
        return [Unread("Money", [x]) for x in array.items]
    if type(array) is Sealed:
        return [Unread("Sealed", []) for _ in array.items]
    if type(array).__name__ == "ArrowExtensionArray":
        # Arrow's own values: pandas converts a list to an array, and a time zone to one of its own.
        data = getattr(array, "_pa_array", None)
        data = array._data if data is None else data
        return arrow_cells(data)
    return list(series)


def arrow_cells(data):
    type_ = data.type
    if pa.types.is_timestamp(type_):
        return [None if v is None or not v.is_valid else pd.Timestamp(v.value, unit=type_.unit, tz="UTC").tz_convert(type_.tz)
                if type_.tz else pd.Timestamp(v.value, unit=type_.unit) for v in data]
    if pa.types.is_duration(type_):
        return [None if not v.is_valid else pd.Timedelta(v.value, unit=type_.unit) for v in data]
    return data.to_pylist()


def project(v):
    if v is None or v is True or v is False or isinstance(v, str):
        return str(v) if isinstance(v, str) else v
    if v is mask or missing(v):
        return None
    if isinstance(v, enum.Enum):
        return project(v.value)
    if isinstance(v, (np.bool_,)):
        return bool(v)
    if isinstance(v, (int, np.integer)) and not isinstance(v, (bool, np.timedelta64)):
        v = int(v)
        return v if -HIGHEST <= v <= HIGHEST else str(v)
    if isinstance(v, (float, np.floating)):
        return number(v)
    if isinstance(v, (bytes, bytearray)):
        return base64.b64encode(bytes(v)).decode()
    if isinstance(v, pd.Timestamp):
        return stamp(v)
    if isinstance(v, pd.Timedelta):
        return v.value / 1e9 if not hasattr(v, "as_unit") else v.as_unit("ns").value / 1e9
    if isinstance(v, datetime.datetime):
        if isinstance(v.tzinfo, Rule):
            return {"__class__": "datetime.datetime", "value": v.replace(tzinfo=None).isoformat(),
                    "tzinfo": {"__class__": "__main__.Rule"}}
        return v.isoformat()
    if isinstance(v, (datetime.date, datetime.time)):
        return v.isoformat()
    if isinstance(v, datetime.timedelta):
        return seconds(v)
    if isinstance(v, (decimal.Decimal, fractions.Fraction, uuid.UUID, complex, ipaddress._IPAddressBase, pd.Period, pd.Interval)):
        return str(v)
    if isinstance(v, datetime.tzinfo):
        return str(v)
    if isinstance(v, pd.DataFrame):
        return frame(v)
    if isinstance(v, (pd.Series, pd.Index)):
        return [project(x) for x in (cells(v) if isinstance(v, pd.Series) else list(v))]
    if isinstance(v, np.ma.MaskedArray):
        return project(v.tolist())
    if isinstance(v, np.ndarray):
        if v.dtype == np.longdouble:
            return [number(x) for x in v.astype(float).tolist()]
        return project(v.tolist()) if v.dtype.kind not in "Mm" else [project(x) for x in v]
    if isinstance(v, np.datetime64):
        return None if np.isnat(v) else str(v.astype("M8[us]").item().isoformat())
    if isinstance(v, np.timedelta64):
        return None if np.isnat(v) else float(v / np.timedelta64(1, "ns")) / 1e9
    if gpd and isinstance(v, gpd.array.GeometryArray):
        return [project(x) for x in v]
    if shapely and isinstance(v, shapely.base.BaseGeometry):
        geometry = json.loads(json.dumps(shapely.mapping(v)))
        if geometry["type"] == "LinearRing":
            geometry["type"] = "LineString"
        return geometry
    if pl and isinstance(v, pl.DataFrame):
        return [{k: project(x) for k, x in row.items()} for row in v.to_dicts()]
    if pl and isinstance(v, pl.Series):
        return [project(x) for x in v.to_list()]
    if pa and isinstance(v, (pa.Table, pa.RecordBatch)):
        names = v.schema.names
        return rows(names, [arrow_cells(v.column(i)) for i in range(len(names))], v.num_rows)
    if pa and isinstance(v, (pa.Array, pa.ChunkedArray)):
        return [project(x) for x in arrow_cells(v)]
    if pa and hasattr(pa, "Scalar") and isinstance(v, pa.Scalar):
        return project(v.as_py())
    if sa and type(v).__name__ == "RowMapping":
        return {str(k): project(x) for k, x in v.items()}
    if sparse and sparse.issparse(v):
        out = {"shape": list(v.shape), "format": v.format}
        for name in {"csr": "data indices indptr", "csc": "data indices indptr", "bsr": "data indices indptr",
                     "coo": "data row col", "dia": "data offsets"}[v.format].split():
            out[name] = project(getattr(v, name))
        return out
    if xr and isinstance(v, (xr.DataArray, xr.Dataset)):
        return xarray_dict(v.to_dict())
    if isinstance(v, np.void):
        return [project(x) for x in v.item()]
    if isinstance(v, (dict, types.MappingProxyType, collections.UserDict, collections.ChainMap)):
        return {str(k): project(x) for k, x in v.items()}
    if isinstance(v, (list, tuple, set, frozenset, collections.deque, range, collections.UserList)) or type(v).__name__ in (
            "Row", "LegacyRow", "RowProxy"):
        return [project(x) for x in v]
    if isinstance(v, arrays.array):
        return [project(x) for x in v]
    if isinstance(v, collections.UserString):
        return str(v)
    if type(v).__name__ == "User":
        return {"__class__": "__main__.User", "id": v.id, "name": v.name}
    if isinstance(v, Unread):
        return v.form
    if isinstance(v, Point):
        return dict(__class__="__main__.Point", x=project(v.x), y=project(v.y))
    if image and isinstance(v, image.Image):
        return {"mode": v.mode, "size": list(v.size), "pixels": base64.b64encode(v.tobytes()).decode()}
    raise TypeError("no projection of %r" % type(v))


def xarray_dict(d):
    if isinstance(d, dict):
        return {str(k): xarray_dict(x) for k, x in d.items()}
    return project(d)


def instant(v):
    if isinstance(v, datetime.datetime) and v is not pd.NaT and v.tzinfo is not None and not isinstance(v.tzinfo, Rule):
        return math.floor(v.timestamp() * 1000 + 0.0005)
    return None


def case(name, make, protocols=(2, 5)):
    try:
        value = make()
    except Exception as error:
        if os.environ.get("VALUES_DEBUG"):
            sys.stderr.write("%s: %r\n" % (name, error))
        return
    for protocol in protocols:
        protocol = min(protocol, pickle.HIGHEST_PROTOCOL)
        try:
            data = pickle.dumps(value, protocol)
            # pandas 2.2 loses zones of dateutil when it reads its own Timestamps.
            again = value if isinstance(value, pd.Timestamp) else pickle.loads(data)
            form = {"name": "%s, protocol %d" % (name, protocol), "data": base64.b64encode(data).decode(),
                    "json": project(again), "instant": instant(again)}
        except (Exception, BaseException if pl else Exception) as error:
            # polars panics outside of Exception.
            if os.environ.get("VALUES_DEBUG"):
                sys.stderr.write("%s: %r\n" % (name, error))
            continue
        print(json.dumps(form, allow_nan=False))


when = datetime.datetime(2020, 7, 1, 10, 20, 30, 405060)
winter = datetime.datetime(2020, 1, 1)

# Zones
zones = [("datetime.timezone", datetime.timezone(datetime.timedelta(hours=5, minutes=30)))]
if tz:
    zones += [("dateutil " + n, z) for n, z in (("tzutc", tz.tzutc()), ("tzoffset", tz.tzoffset(None, 7200)),
                                               ("gettz", tz.gettz("America/New_York")))]
if pytz:
    zones += [("pytz UTC", pytz.UTC), ("pytz FixedOffset", pytz.FixedOffset(-90))]
if zoneinfo:
    zones += [("zoneinfo", zoneinfo.ZoneInfo("Europe/Berlin"))]
if pendulum:
    zones += [("pendulum timezone", pendulum.timezone("Europe/Berlin")), ("pendulum UTC", pendulum.timezone("UTC")),
              ("pendulum fixed", pendulum.tz.timezone("UTC") if False else getattr(pendulum, "FixedTimezone", lambda n: pendulum.tz.fixed_timezone(n))(3600))]
psycopg2, isodate, shim = module("psycopg2.tz"), module("isodate"), module("pytz_deprecation_shim")
if psycopg2:
    zones.append(("psycopg2", psycopg2.FixedOffsetTimezone(offset=90)))
if isodate:
    zones += [("isodate", isodate.FixedOffset(2, 30)), ("isodate UTC", isodate.UTC)]
if shim:
    zones += [("pytz shim", shim.timezone("Europe/Berlin")), ("pytz shim fixed", shim.fixed_offset_timezone(90))]
for name, zone in zones:
    case("datetime with %s" % name, lambda: when.replace(tzinfo=zone))
    case("winter with %s" % name, lambda: winter.replace(tzinfo=zone))
    case("in a list with %s" % name, lambda: [when.replace(tzinfo=zone), winter.replace(tzinfo=zone)])
    if "pendulum" in name and int(pd.__version__.split(".")[0]) < 2:
        # This pandas cannot compute with these zones itself.
        continue
    case("Timestamp with %s" % name, lambda: pd.Timestamp(when, tz=zone))
    case("column with %s" % name, lambda: pd.DataFrame({"t": pd.DatetimeIndex([when, winter]).tz_localize(zone)}))
    case("index with %s" % name, lambda: pd.Series([1, 2], index=pd.DatetimeIndex([when, winter]).tz_localize(zone)).index)
if tz:
    case("tzlocal", lambda: when.replace(tzinfo=tz.tzlocal()))
if pytz:
    case("pytz localize", lambda: pytz.timezone("Europe/Berlin").localize(when))
    case("pytz zone", lambda: pytz.timezone("Europe/Berlin"))
if zoneinfo:
    case("zoneinfo alone", lambda: zoneinfo.ZoneInfo("Asia/Tokyo"))
case("a zone of the flow", lambda: when.replace(tzinfo=Rule()))
case("a zone of the flow in a dict", lambda: {"t": [when.replace(tzinfo=Rule())]})
if pendulum:
    case("pendulum datetime", lambda: pendulum.datetime(2020, 7, 1, tz="Europe/Berlin"))
    case("pendulum utc", lambda: pendulum.datetime(2020, 7, 1, 1, 2, 3, 4))
    case("pendulum naive", lambda: pendulum.naive(2020, 7, 1))
    case("pendulum date", lambda: pendulum.date(2020, 7, 1))
    case("pendulum time", lambda: pendulum.time(1, 2, 3))
    case("pendulum zone", lambda: pendulum.timezone("Europe/Paris") if not pendulum.__version__.startswith("2") else None)

# The standard library
case("addresses", lambda: [ipaddress.ip_address(a) for a in ("10.0.0.1", "::1", "2001:db8::8:800:200c:417a", "fe80::")])
case("networks", lambda: [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_interface("192.168.0.1/24"), ipaddress.ip_network("2001:db8::/32")])
case("UserDict", lambda: collections.UserDict(a=1, b=[1]))
case("UserList", lambda: collections.UserList([1, "a"]))
case("UserString", lambda: collections.UserString("text"))
case("ChainMap", lambda: collections.ChainMap({"a": 1}, {"a": 2, "b": collections.UserDict(c=3)}))
case("subclasses", lambda: [Subdict(a=1), Sublist([1, Sublist([2])]), {"x": Subdict({1: Subdict(b=2)})}], (2, 5))
case("an object", lambda: [Point(1, Point(Subdict(a=1), 2.5))])
case("named tuples", lambda: [urllib.parse.urlparse("https://a.b/c?d#e"), urllib.parse.urlsplit("x"), time.gmtime(0),
                              os.terminal_size((80, 24)), decimal.Decimal("-1.5").as_tuple()])
case("subclasses of defaultdict and OrderedDict", lambda: [Subdefault(list, {"a": [1]}), Subordered(a=1)])
case("keys", lambda: {ipaddress.ip_address("10.0.0.1"): 1, (1, "a"): 2, None: 3, when: 4, frozenset([1]): 5, 2.0: 6, b"x": 7})
case("statuses", lambda: [http.HTTPStatus.OK, signal.SIGINT, re.I])
case("arrays", lambda: [arrays.array("u", u"a\u00e9"), arrays.array("d", [1.5]), arrays.array("Q", [2 ** 63]), arrays.array("b")])
case("fraction and complex", lambda: [fractions.Fraction(-3, 7), complex(1, -2)])

# NumPy
case("longdouble", lambda: np.array([1.5, -2.25, 1e300, 1e-310, 0, np.inf, np.nan], np.longdouble))
case("longdouble alone", lambda: np.longdouble("0.1"))
case("records", lambda: pd.DataFrame({"a": [1, 2], "b": ["x", None]}).to_records())
case("record", lambda: np.array([(1, "a", 2.5)], dtype=[("n", "i4"), ("o", "O"), ("f", "f8")]))
case("nested record", lambda: np.array([(1, (2, "x"))], dtype=[("n", "i4"), ("in", [("a", "i8"), ("o", "O")])]))
case("plain record", lambda: np.array([(1, 2.5)], dtype=[("n", "i4"), ("f", "f8")]))
case("Fortran objects", lambda: np.asfortranarray(np.array([["a", 1, None], [2.5, "b", (1,)]], dtype=object)))
case("Fortran numbers", lambda: np.asfortranarray(np.arange(6).reshape(2, 3)))
case("masked", lambda: np.ma.array([1, 2, 3], mask=[0, 1, 0]))
case("masked 2d Fortran", lambda: np.ma.array(np.arange(6.0).reshape(2, 3), mask=[[0, 1, 0], [1, 0, 0]], order="F"))
case("masked objects", lambda: np.ma.array(np.array(["a", "b"], dtype=object), mask=[0, 1]))
case("masked records", lambda: np.ma.array([(1, 2.5), (3, 4.5)], mask=[(0, 1), (1, 0)], dtype=[("a", "i4"), ("b", "f8")]))
if hasattr(np.dtypes if hasattr(np, "dtypes") else np, "StringDType"):
    case("StringDType", lambda: np.array(["a", "b" * 40, "", "é"], dtype=np.dtypes.StringDType()))
    case("StringDType 2d", lambda: np.array([["a", "b"], ["c", "d"]], dtype=np.dtypes.StringDType()))
case("named tuples of NumPy", lambda: [tuple(x) if False else x for x in [np.linalg.slogdet(np.eye(2))]])
case("times", lambda: [np.datetime64("2020-01-01T00:00:00"), np.timedelta64(5, "s")])

# pandas
for freq in ("D", "W", "W-WED", "M", "Q", "Q-MAR", "A", "A-MAR", "Y", "Y-JUN", "H", "h", "T", "min", "S", "s", "L", "ms", "us", "B", "2M", "3D"):
    case("periods %s" % freq, lambda: pd.DataFrame({"p": pd.period_range("2019-11-03", periods=4, freq=freq)}))
    case("period %s" % freq, lambda: pd.Period("1969-12-30 04:05:06.123", freq=freq))
case("period index", lambda: pd.period_range("2020", periods=2, freq="Q"))
case("period missing", lambda: pd.Series(pd.PeriodIndex(["2020-01", None], freq="M")))
case("cut", lambda: pd.DataFrame({"b": pd.cut([1, 5, 9], 3)}))
case("cut floats", lambda: pd.Series(pd.cut([1.5, 2, 9], [0, 2, 10])))
case("qcut", lambda: pd.qcut(pd.Series(range(8)), 4))
case("interval", lambda: [pd.Interval(1, 2), pd.Interval(0.5, 1.5, "both"), pd.Interval(1.0, 2.0, "neither")])
case("interval index", lambda: pd.interval_range(0, 3))
if int(pd.__version__.split(".")[0]) >= 2:
    case("interval of times", lambda: pd.Series(pd.interval_range(pd.Timestamp("2020-01-01"), periods=2)))
case("sparse", lambda: pd.Series(pd.arrays.SparseArray([0, 0, 1])))
case("categories", lambda: pd.Series(["a", "b", None], dtype="category"))
case("nullable", lambda: pd.DataFrame({"i": pd.array([1, None], "Int64"), "b": [True, False]}))
case("objects in a frame", lambda: pd.DataFrame({"o": [ipaddress.ip_address("10.0.0.1"), collections.UserDict(a=1)]}))
case("an array of the flow", lambda: pd.DataFrame({"n": [1, 2], "x": Money([decimal.Decimal("1.5"), None]), "s": ["a", "b"]}))
case("a sealed array", lambda: pd.DataFrame({"n": [1, 2], "x": Sealed(["a", "b"])}))
case("an index of the flow", lambda: pd.DataFrame({"n": [1, 2]}, index=pd.Index(Sealed(["a", "b"]))))
case("levels of the flow", lambda: pd.DataFrame({"n": [1, 2]}, index=pd.MultiIndex.from_arrays([pd.Index(Money(["a", "b"])), [1, 2]])))
if hasattr(pd, "ArrowDtype"):
    def arrow(values, type_):
        return lambda: pd.DataFrame({"n": list(range(len(values))), "c": pd.Series(values, dtype=pd.ArrowDtype(type_))})
    item = decimal.Decimal
    for name, values, type_ in [
        ("timestamp", [when, None], pa.timestamp("us")), ("timestamp zone", [when, None], pa.timestamp("ns", "Europe/Berlin")),
        ("timestamp offset", [when, None], pa.timestamp("ms", "+02:00")), ("timestamp utc", [when], pa.timestamp("s", "UTC")),
        ("list", [[1, 2], None, []], pa.list_(pa.int64())), ("large list", [["a"], None], pa.large_list(pa.string())),
        ("list of lists", [[[1], None, [2, 3]], None], pa.list_(pa.list_(pa.int8()))),
        ("fixed list", [[1, 2], [3, 4], None], pa.list_(pa.int32(), 2)), ("struct", [{"a": 1, "b": "x"}, None], pa.struct([("a", pa.int64()), ("b", pa.string())])),
        ("map", [[(1, "a")], None], pa.map_(pa.int64(), pa.string())), ("dictionary", ["a", "b", "a", None], pa.dictionary(pa.int32(), pa.string())),
        ("list of struct", [[{"a": 1.5}], []], pa.list_(pa.struct([("a", pa.float64())]))),
        ("decimal", [item("1.50"), None], pa.decimal128(5, 2)), ("binary", [b"ab", None], pa.binary()),
        ("fixed binary", [b"ab", None], pa.binary(2)), ("date", [when.date(), None], pa.date32()), ("time", [when.time(), None], pa.time64("us")),
        ("duration", [datetime.timedelta(1), None], pa.duration("us")), ("bool", [True, None], pa.bool_()),
        ("uint", [2 ** 63, None], pa.uint64()), ("half", [1.5], pa.float16()), ("null", [None, None], pa.null()),
    ]:
        case("ArrowDtype %s" % name, arrow(values, type_))
        case("ArrowDtype %s of an array" % name, lambda: pd.Series(pd.arrays.ArrowExtensionArray(pa.array(values, type_))))
        case("ArrowDtype %s sliced" % name, lambda: pd.Series(pd.arrays.ArrowExtensionArray(pa.array(values, type_)[1:])))

# pyarrow
if pa:
    table = lambda: pa.table({"a": [1, None], "b": ["x", "y"], "c": [[1], None], "d": [{"k": 1}, {"k": 2}]})
    case("pyarrow table", table)
    case("pyarrow table of chunks", lambda: pa.concat_tables([table(), table()]))
    case("pyarrow table slice", lambda: table().slice(1))
    case("pyarrow batch", lambda: table().to_batches()[0])
    case("pyarrow array", lambda: pa.array([1, None, 3]))
    case("pyarrow slice", lambda: pa.array(["a", None, "bcd", "e"])[1:3])
    case("pyarrow list slice", lambda: pa.array([[1, 2], None, [3], []])[1:])
    case("pyarrow struct slice", lambda: pa.array([{"a": 1, "b": "x"}, None, {"a": 3, "b": None}])[1:])
    case("pyarrow map slice", lambda: pa.array([[(1, "a")], [(2, "b"), (3, None)]], pa.map_(pa.int64(), pa.string()))[1:])
    case("pyarrow chunked", lambda: pa.chunked_array([[1, 2], [None]]))
    case("pyarrow dictionary", lambda: pa.array(["a", "b", "a", None]).dictionary_encode())
    case("pyarrow timestamp", lambda: pa.array([when], pa.timestamp("us", "Europe/Berlin")))
    case("pyarrow dense union", lambda: pa.UnionArray.from_dense(pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 1], pa.int32()), [pa.array([1, 2]), pa.array(["x"])]))
    case("pyarrow sparse union", lambda: pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["x", "y"])]))
    case("pyarrow runs", lambda: pa.RunEndEncodedArray.from_arrays(pa.array([2, 5], pa.int32()), pa.array(["a", None])))
    case("pyarrow views", lambda: pa.array(["short", None, "a text that is longer than twelve"], pa.string_view()))
    case("pyarrow scalar", lambda: pa.scalar("text"))
    case("pyarrow null scalar", lambda: [pa.scalar(None)])
    case("pyarrow tensors", lambda: pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(4).reshape(2, 2)))
    case("pyarrow uuid", lambda: pa.array([b"0123456789abcdef", None], pa.uuid()))
    case("pyarrow empty", lambda: pa.table({"a": pa.array([], pa.int64())}))
    case("pyarrow in a dict", lambda: {"t": [table()], "a": pa.array([1])})

# polars
if pl:
    case("polars frame", lambda: pl.DataFrame({"a": [1, 2, None], "b": ["x", "y", None], "c": [1.5, None, float("nan")], "d": [when.date(), None, None]}))
    case("polars times", lambda: pl.DataFrame({"t": [when, None], "d": [datetime.timedelta(1, 2, 3), None], "c": [datetime.time(1, 2, 3, 4), None]}))
    case("polars zone", lambda: pl.DataFrame({"t": [when]}).with_columns(pl.col("t").dt.replace_time_zone("Europe/Berlin")))
    case("polars nested", lambda: pl.DataFrame({"l": [[1, 2], None, []], "s": [{"x": 1, "y": "q"}, {"x": None, "y": None}, {"x": 2, "y": "r"}]}))
    case("polars bytes and bools", lambda: pl.DataFrame({"b": [b"ab", None], "f": [True, None]}))
    case("polars categories", lambda: pl.DataFrame({"c": pl.Series(["a", "b", "a"], dtype=pl.Categorical)}))
    case("polars decimal", lambda: pl.DataFrame({"d": [decimal.Decimal("1.50"), None]}))
    case("polars wide integers", lambda: pl.Series("a", [2 ** 100, -5], dtype=pl.Int128))
    case("polars enum and array", lambda: pl.DataFrame({"e": pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"])), "l": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int8, 2))}))
    case("polars empty", lambda: pl.DataFrame({"a": []}))
    case("polars series", lambda: pl.Series("a", [1, None, 3]))
    case("polars text series", lambda: pl.Series("a", ["a long text that is no inline view", "b", None]))
    case("polars in a dict", lambda: {"t": pl.DataFrame({"a": [1]}), "s": [pl.Series("x", [1.5])]})

# geopandas
if gpd:
    shapes = [shapely.Point(1, 2), shapely.LineString([(0, 0), (1, 1)]), shapely.Polygon([(0, 0), (1, 0), (1, 1)], [[(0.2, 0.1), (0.3, 0.1), (0.3, 0.2)]]),
              shapely.MultiPoint([(0, 0), (1, 1)]), shapely.MultiPolygon([shapely.Polygon([(0, 0), (1, 0), (1, 1)])]), shapely.Point(1, 2, 3),
              shapely.GeometryCollection([shapely.Point(1, 2)]), shapely.LinearRing([(0, 0), (1, 1), (1, 0)]), shapely.MultiLineString([[(0, 0), (1, 1)]])]
    case("GeoDataFrame", lambda: gpd.GeoDataFrame({"n": ["a", "b"]}, geometry=[shapely.Point(1, 2), None], crs="EPSG:4326"))
    case("GeoSeries", lambda: gpd.GeoSeries(shapes))
    case("geometries", lambda: shapes)
    case("geometry array", lambda: gpd.points_from_xy([1, 2], [3, 4]))

# SciPy, xarray, SQLAlchemy, Pillow
if sparse:
    dense = np.array([[1, 0, 2], [0, 0, 3]])
    for form in ("csr", "csc", "coo", "bsr", "dia"):
        case("sparse %s" % form, lambda: sparse.csr_matrix(dense).asformat(form))
        case("sparse array %s" % form, lambda: sparse.csr_array(dense).asformat(form))
if xr:
    array = lambda: xr.DataArray(np.arange(4.0).reshape(2, 2), dims=("x", "y"), coords={"x": [10, 20]}, name="t", attrs={"unit": "K"})
    case("xarray array", array)
    case("xarray levels", lambda: xr.DataArray([1, 2, 3], dims="x", coords={"x": pd.MultiIndex.from_tuples([(1, "a"), (2, "b"), (1, "b")], names=["i", "j"])}))
    case("xarray dataset", lambda: xr.Dataset({"t": array(), "u": ("x", [1, 2])}, attrs={"by": "us"}))
if sa:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        found = connection.execute(sa.text("select 1 as a, 'x' as b union all select 2, 'y'")).fetchall()
    case("rows", lambda: found)
    case("row", lambda: found[0])
    Base = (sa.orm if hasattr(sa.orm, "declarative_base") else importlib.import_module("sqlalchemy.ext.declarative")).declarative_base()

    class User(Base):
        __tablename__ = "user"
        id = sa.Column(sa.Integer, primary_key=True)
        name = sa.Column(sa.String)

    Base.metadata.create_all(engine)
    session = sa.orm.Session(engine)
    session.add(User(id=1, name="a"))
    session.commit()
    user = session.query(User).first()
    user.name
    case("mapped object", lambda: user)
    case("row mapping", lambda: found[0]._mapping if hasattr(found[0], "_mapping") and type(found[0]).__name__ == "Row" else 1 / 0)
if image:
    for mode in ("RGB", "RGBA", "L", "LA", "1", "P", "I;16"):
        case("image %s" % mode, lambda: image.new("RGB", (5, 3), (255, 0, 10)).convert(mode) if mode != "I;16" else image.new(mode, (5, 3), 300))
