# Prints, one JSON object per line, what pandas and NumPy of this environment pickle, and its typed form: every dtype,
# index, block layout and scalar of this version. Features that a version does not have are omitted.
import base64, datetime, decimal, json, pickle, sys

import numpy as np
import pandas as pd


def b64(value):
    return base64.b64encode(bytes(value)).decode("ascii")


def zone_name(tz):
    if tz is None:
        return None
    for attribute in ("zone", "key"):
        name = getattr(tz, attribute, None)
        if name:
            return str(name)
    offset = tz.utcoffset(None)
    if offset is None:
        return str(tz)
    if not offset:
        return "UTC"
    seconds = int(offset.total_seconds())
    return "UTC%s%02d:%02d" % ("-" if seconds < 0 else "+", abs(seconds) // 3600, abs(seconds) // 60 % 60)


def item(v):
    if v is None:
        return {"t": "none"}
    if v is pd.NaT:
        return {"t": "pdnat"}
    if v is getattr(pd, "NA", object()):
        return {"t": "pdna"}
    if isinstance(v, pd.Timestamp):
        ns = v.value if v.tzinfo is None or hasattr(v, "value") else v.value
        if hasattr(v, "as_unit"):
            ns = v.as_unit("ns").value
        return {"t": "pdtimestamp", "ns": str(ns), "tz": zone_name(v.tzinfo)}
    if isinstance(v, pd.Timedelta):
        ns = v.as_unit("ns").value if hasattr(v, "as_unit") else v.value
        return {"t": "pdtimedelta", "ns": str(ns)}
    if isinstance(v, (bool, np.bool_)):
        return {"t": "bool", "v": bool(v)}
    if isinstance(v, (int, np.integer)):
        return {"t": "int", "v": str(int(v))}
    if isinstance(v, (float, np.floating)):
        return {"t": "float", "v": repr(float(v))}
    if isinstance(v, (complex, np.complexfloating)):
        return {"t": "complex", "re": repr(float(v.real)), "im": repr(float(v.imag))}
    if isinstance(v, str):
        return {"t": "str", "v": str(v)}
    if isinstance(v, bytes):
        return {"t": "bytes", "v": b64(v)}
    if isinstance(v, tuple):
        return {"t": "tuple", "v": [item(x) for x in v]}
    if isinstance(v, list):
        return {"t": "list", "v": [item(x) for x in v]}
    if isinstance(v, datetime.datetime):
        return {"t": "datetime", "v": v.replace(tzinfo=None).isoformat(), "tz": item(v.tzinfo), "fold": v.fold}
    if isinstance(v, datetime.date):
        return {"t": "date", "v": v.isoformat()}
    if isinstance(v, datetime.time):
        return {"t": "time", "v": v.isoformat(), "tz": {"t": "none"}, "fold": 0}
    if isinstance(v, decimal.Decimal):
        return {"t": "decimal", "v": str(v)}
    return {"t": "skip"}


def values(array):
    return [item(v) for v in array.tolist()] if hasattr(array, "tolist") else [item(v) for v in array]


def dtype_name(dtype):
    name = str(dtype)
    # Which side is closed is part of the name since 1.3.
    return name[:-1] + ", right]" if name.startswith("interval[") and "," not in name else name


def column(series):
    name = dtype_name(series.dtype)
    if not hasattr(pd, "NA") and name[:3] in ("Int", "UIn"):
        # Before 1.0 the missing value of nullable integers was NaN; every later pandas reads NA.
        return {"dtype": name, "v": [{"t": "pdna"} if v != v else item(v) for v in series]}
    if name.startswith(("period", "interval", "Sparse")):
        return {"dtype": name, "v": [{"t": "skip"} for _ in series]}
    return {"dtype": name, "v": [item(v) for v in series]}


def index(i):
    kind = type(i).__name__
    if isinstance(i, pd.MultiIndex):
        return {"t": "index", "kind": kind, "names": [item(n) for n in i.names], "v": [item(tuple(x)) for x in i]}
    skip = str(i.dtype).startswith(("period", "interval"))
    return {"t": "index", "kind": kind, "name": item(i.name), "dtype": dtype_name(i.dtype),
            "v": [{"t": "skip"} if skip else item(v) for v in i]}


def dtype_form(d):
    if d.names:
        out = []
        for n in d.names:
            f = d.fields[n][0]
            out.append([n, dtype_form(f.subdtype[0]), list(f.subdtype[1])] if f.subdtype else [n, dtype_form(f)])
        return out
    return d.str


def form(v):
    if isinstance(v, pd.DataFrame):
        return {"t": "dataframe", "columns": index(v.columns), "index": index(v.index),
                "cols": [column(v.iloc[:, i]) for i in range(v.shape[1])]}
    if isinstance(v, pd.Series):
        out = column(v)
        return {"t": "series", "name": item(v.name), "dtype": out["dtype"], "index": index(v.index), "v": out["v"]}
    if isinstance(v, pd.Index):
        return index(v)
    if isinstance(v, np.ndarray):
        out = {"t": "ndarray", "dtype": dtype_form(v.dtype), "shape": list(v.shape),
               "order": "F" if v.flags.f_contiguous and not v.flags.c_contiguous else "C"}
        if v.dtype.hasobject:
            out["items"] = [item(x) for x in v.ravel().tolist()]
        else:
            out["data"] = b64(v.tobytes())
        return out
    if isinstance(v, np.generic):
        return {"t": "npscalar", "dtype": dtype_form(v.dtype), "data": b64(v.tobytes())}
    if isinstance(v, (list, tuple)):
        return {"t": type(v).__name__, "v": [form(x) for x in v]}
    if isinstance(v, frozenset):
        # Without its members, whose order is that of their hashes.
        return {"t": "frozenset", "v": [{"t": "skip"} for _ in v]}
    if isinstance(v, dict):
        return {"t": "dict", "v": [[form(k), form(x)] for k, x in v.items()]}
    return item(v)


class Call:
    """Pickled as a call: the way to write keys that are equal into one dict or set."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


cases = []


def case(name, make):
    try:
        cases.append((name, make()))
    except Exception as error:
        if "--why" in sys.argv:
            sys.stderr.write("%s: %r\n" % (name, error))


N = 5
ints = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
for t in ints + ["float16", "float32", "float64", "complex64", "complex128", "bool"]:
    case("column " + t, lambda: pd.DataFrame({"a": np.arange(N).astype(t), "b": np.arange(N)[::-1].astype(t)}))
    case("array " + t, lambda: np.arange(6).astype(t).reshape(2, 3))
    case("array big endian " + t, lambda: np.arange(4).astype(np.dtype(t).newbyteorder(">")))
    case("array fortran " + t, lambda: np.asfortranarray(np.arange(6).astype(t).reshape(2, 3)))
    case("scalar " + t, lambda: np.dtype(t).type(1))
    case("index " + t, lambda: pd.Index(np.arange(N).astype(t)))
for t in ["<U3", "S3", "V4", "M8[ns]", "M8[D]", "M8[s]", "m8[us]", "M8[25s]", "longdouble"]:
    case("array " + t, lambda: np.zeros(3, dtype=t))
case("array >U3", lambda: np.array(["ab", "c"], dtype=">U3"))
case("array of nothing", lambda: np.zeros((0, 3, 2)))
case("array 0-d", lambda: np.array(2.5))
case("array 4-d", lambda: np.arange(24).reshape(1, 2, 3, 4))
case("array structured", lambda: np.zeros(2, dtype=[("a", "<i4"), ("b", "<f8", (2, 2)), ("c", [("d", "U2")])]))
case("array aligned", lambda: np.zeros(2, dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)))
case("array of objects", lambda: np.array([[1, "a"], [None, 2.5]], dtype=object))
case("array of objects fortran", lambda: np.asfortranarray(np.array([[1, "a"], [None, 2.5]], dtype=object)))
case("array read only", lambda: np.frombuffer(b"\x01\x00\x00\x00\x02\x00\x00\x00", dtype="<i4"))
case("array strided", lambda: np.arange(20)[::3])
case("recarray", lambda: np.rec.array([(1, 2.0)], dtype=[("a", "<i4"), ("b", "<f8")]))
case("matrix", lambda: np.matrix([[1, 2], [3, 4]]))
case("scalar str", lambda: np.str_("xé"))
case("scalar datetime64", lambda: np.datetime64("2024-01-02T03:04:05"))

# Each is made anew, because one object is equal to itself whatever it is.
keys = [
    lambda: "a", lambda: "b1", lambda: "", lambda: b"1", lambda: b"", lambda: 1, lambda: True, lambda: 1.0, lambda: 0.1,
    lambda: 2 ** 63, lambda: 2 ** 63 + 1, lambda: complex(1, 2), lambda: tuple(["a", 1]), lambda: tuple([b"1", 1]),
    lambda: np.str_("a"), lambda: np.str_("b1"), lambda: np.bytes_(b"1"),
    lambda: np.int8(1), lambda: np.uint64(2 ** 63), lambda: np.uint64(2 ** 63 + 1), lambda: np.bool_(True),
    lambda: np.float16(1), lambda: np.float32(0.1), lambda: np.float64(0.1), lambda: np.float64(2 ** 63),
    lambda: np.complex64(1 + 2j), lambda: np.complex128(1), lambda: np.datetime64("2020-01-01"),
    lambda: tuple([np.str_("a"), np.int64(1)]), lambda: tuple([np.str_("b1"), 1]), lambda: tuple([np.bytes_(b"1"), True])
]
case("keys of dicts, in twos", lambda: [Call(dict, [(a(), "first"), (b(), "second")]) for a in keys for b in keys])
case("members of sets, in twos", lambda: [Call(frozenset, [a(), b()]) for a in keys for b in keys])

mixed = lambda: pd.DataFrame({
    "i": [1, 2, 3], "f": [1.5, np.nan, -0.0], "s": ["a", None, "é"], "b": [True, False, True],
    "d": pd.to_datetime(["2024-01-01 00:00:00.000000", None, "2024-03-01 01:02:03.000004"]), "o": [1, "x", None],
    "t": pd.to_timedelta([86400000000000, None, 1500000000]), "c": pd.Categorical(["x", None, "y"], categories=["y", "x", "z"])})
case("mixed", mixed)
case("mixed, rows by label", lambda: mixed().set_index("i"))
case("mixed, rows by two labels", lambda: mixed().set_index(["i", "b"]))
case("mixed, sliced", lambda: mixed().iloc[::2])
case("mixed, one column", lambda: mixed()[["f"]])
case("mixed, column after column", lambda: (lambda d: (d.__setitem__("n", [7, 8, 9]), d.__setitem__("m", 1.0), d)[-1])(mixed()))
case("mixed, empty", lambda: mixed().iloc[:0])
case("mixed, none", lambda: pd.DataFrame())
case("no columns", lambda: pd.DataFrame(index=[1, 2, 3]))
case("from an array", lambda: pd.DataFrame(np.arange(12.0).reshape(4, 3)))
case("from an array, transposed", lambda: pd.DataFrame(np.arange(12).reshape(4, 3)).T)
case("from an array, fortran", lambda: pd.DataFrame(np.asfortranarray(np.arange(12.0).reshape(4, 3)), columns=list("abc")))
case("same label twice", lambda: pd.DataFrame(np.arange(6).reshape(2, 3), columns=["a", "b", "a"]))
case("labels of two levels", lambda: pd.DataFrame(np.arange(4).reshape(2, 2), columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", None])))
case("labels that are numbers", lambda: pd.DataFrame({0: [1], 1.5: [2], None: [3]}))
case("objects in two columns", lambda: pd.DataFrame({"a": ["x", 1], "b": [None, (1, 2)]}))
case("dates", lambda: pd.DataFrame({"a": [datetime.date(2024, 1, 2), None], "b": [decimal.Decimal("1.50"), None]}))
for zone in ["UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata"]:
    case("zone " + zone, lambda: pd.DataFrame({"t": pd.date_range("2024-03-09", periods=4, tz=zone), "x": [1, 2, 3, 4]}))
    case("two columns of zone " + zone, lambda: pd.DataFrame({"t": pd.date_range("2024-03-09", periods=2, tz=zone), "u": pd.date_range("1969-03-09", periods=2, tz=zone)}))
    case("index of zone " + zone, lambda: pd.date_range("2024-03-09", periods=4, tz=zone, name="when"))
    case("timestamp of zone " + zone, lambda: pd.Timestamp("2024-07-01 12:00:00.000001", tz=zone))
case("fixed zone", lambda: pd.DataFrame({"t": pd.to_datetime(["2024-01-01"]).tz_localize(datetime.timezone(datetime.timedelta(hours=5, minutes=30)))}))
case("timestamp of a fixed zone", lambda: pd.Timestamp("2024-07-01", tz=datetime.timezone(datetime.timedelta(hours=-3))))
for unit in ["s", "ms", "us", "ns"]:
    case("datetimes in " + unit, lambda: pd.DataFrame({"t": np.array(["2024-01-02", "NaT"], dtype="M8[%s]" % unit), "d": np.array([5, 6], dtype="m8[%s]" % unit)}))
for t in ["Int8", "Int64", "UInt16", "UInt64", "Float32", "Float64", "boolean", "string", "string[python]", "string[pyarrow]", "str", "category"]:
    data = [True, None, False] if t == "boolean" else ["a", None, "é"] if t.startswith(("str", "cat")) else [1, None, 3]
    case("extension " + t, lambda: pd.DataFrame({"x": pd.array(data, dtype=t), "y": pd.array(data[::-1], dtype=t)}))
    case("series of " + t, lambda: pd.Series(data, dtype=t, name="n"))
for t, data in [("int64[pyarrow]", [1, None, 3]), ("double[pyarrow]", [1.5, None]), ("bool[pyarrow]", [True, None, False] * 5), ("string[pyarrow]", ["a", None]),
                ("timestamp[ns][pyarrow]", [pd.Timestamp("2024-01-01"), None]), ("timestamp[us, tz=UTC][pyarrow]", [pd.Timestamp("2024-01-01", tz="UTC"), None]),
                ("date32[pyarrow]", [datetime.date(2024, 1, 2), None]), ("duration[ms][pyarrow]", [pd.Timedelta("1s"), None]),
                ("time64[us][pyarrow]", [datetime.time(1, 2, 3, 4), None]), ("large_string[pyarrow]", ["b", None]), ("binary[pyarrow]", [b"x", None]),
                ("uint8[pyarrow]", [1, None]), ("decimal128(5, 2)[pyarrow]", [decimal.Decimal("1.25"), None])]:
    case("arrow " + t, lambda: pd.Series(data, dtype=t))
    case("arrow, sliced " + t, lambda: pd.Series(data * 5, dtype=t).iloc[1:4])
case("category of numbers", lambda: pd.Series([3, 1, 3], dtype="category"))
case("category, ordered", lambda: pd.Series(pd.Categorical(["b", "a"], categories=["a", "b"], ordered=True)))
case("category of datetimes", lambda: pd.Series(pd.to_datetime(["2024-01-01", "2024-01-01"])).astype("category"))
case("category index", lambda: pd.CategoricalIndex(["a", "b", "a"], name="c"))
case("period", lambda: pd.DataFrame({"p": pd.period_range("2024-01", periods=3, freq="M")}))
case("interval", lambda: pd.DataFrame({"p": pd.interval_range(0, 3)}))
case("sparse", lambda: pd.DataFrame({"p": pd.arrays.SparseArray([0, 0, 1, 2]) if hasattr(pd, "arrays") else 1 / 0}))
case("period index", lambda: pd.period_range("2024-01", periods=3, freq="M"))
case("interval index", lambda: pd.interval_range(0, 3))
case("range index", lambda: pd.RangeIndex(5, 50, 7, name="r"))
case("timedelta index", lambda: pd.to_timedelta(["1 days", "2 days"]))
case("text index", lambda: pd.Index(["a", None, "b"], name="k"))
case("index of two levels", lambda: pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["x", "y"]))
case("index of two levels with nothing", lambda: pd.MultiIndex.from_tuples([(1, "a"), (2, None)]))
case("index of two levels and times", lambda: pd.MultiIndex.from_product([pd.date_range("2024", periods=2), [1.5]]))
case("series", lambda: pd.Series([1.5, 2.5], index=["a", "b"], name=("x", 1)))
case("series of text", lambda: pd.Series(["x", None]))
case("timestamp", lambda: pd.Timestamp("2024-01-01 01:02:03.000000004"))
case("timestamp in seconds", lambda: pd.Timestamp("2024-01-01").as_unit("s"))
case("timedelta", lambda: pd.Timedelta("1 days 00:00:01"))
case("NaT", lambda: pd.NaT)
case("NA", lambda: pd.NA)
case("a frame of many blocks", lambda: pd.concat([pd.DataFrame({"c%d" % i: [i, i + 1]}) if i % 2 else pd.DataFrame({"c%d" % i: [i / 3, None]}) for i in range(20)], axis=1))

for name, value in cases:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        try:
            data = pickle.dumps(value, protocol)
            shown = form(pickle.loads(data))
        except Exception as error:
            sys.stderr.write("%s: %r\n" % (name, error))
            continue
        print(json.dumps({"name": "%s, protocol %d" % (name, protocol), "data": b64(data), "form": shown}))
