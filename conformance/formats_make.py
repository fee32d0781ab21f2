"""Writes tables and values in every format with the pandas and pyarrow of this Python, and what they read as.

    python formats_make.py DIR

DIR gets the files and `expected.jsonl`, one object a line: `file`, `format` (the hint that is needed, or null), and
`value`, the JSON projection of what pandas itself reads from the file. What a version cannot write is printed.
"""
import base64
import bz2
import datetime
import decimal
import gzip
import io
import json
import lzma
import math
import os
import pickle
import sys
import uuid
import zlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

VERSION = tuple(int(part) for part in pd.__version__.split(".")[:2])
LIMIT = 2**53 - 1


def is_missing(value):
    if value is None or value is pd.NaT or value is getattr(pd, "NA", pd.NaT):
        return True
    return isinstance(value, (float, np.floating)) and math.isnan(value)


def project(value):
    """The JSON projection of a value that pandas read."""
    if is_missing(value):
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, np.datetime64):
        return project(pd.Timestamp(value))
    if isinstance(value, np.timedelta64):
        return project(pd.Timedelta(value))
    if isinstance(value, (int, np.integer)):
        number = int(value)
        return number if -LIMIT <= number <= LIMIT else str(number)
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, (pd.Timestamp, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, (pd.Timedelta, datetime.timedelta)):
        return value.value / 1e9 if isinstance(value, pd.Timedelta) and hasattr(value, "value") and VERSION < (2, 0) \
            else value / pd.Timedelta("1s") if isinstance(value, pd.Timedelta) else value.total_seconds()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (decimal.Decimal, uuid.UUID)):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return {str(key): project(item) for key, item in value.items()}
    if isinstance(value, pd.DataFrame):
        return rows(value)
    if isinstance(value, (list, tuple, np.ndarray, pd.Series, pd.Index)):
        return [project(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return [project(item) for item in value]
    raise TypeError("no projection of %r" % type(value))


def rows(frame):
    columns = [(str(label), [project(item) for item in frame.iloc[:, i]]) for i, label in enumerate(frame.columns)]
    return [{label: values[row] for label, values in columns} for row in range(len(frame))]


def times(*texts):
    return pd.DatetimeIndex([pd.NaT if text is None else pd.Timestamp(text) for text in texts])


def frames():
    yield "ints", pd.DataFrame({
        "i8": np.array([-128, 0, 127], "i1"), "u8": np.array([0, 1, 255], "u1"),
        "i16": np.array([-2**15, 0, 2**15 - 1], "i2"), "u16": np.array([0, 1, 2**16 - 1], "u2"),
        "i32": np.array([-2**31, 0, 2**31 - 1], "i4"), "u32": np.array([0, 1, 2**32 - 1], "u4"),
        "i64": np.array([-2**63, -2**53, 2**63 - 1], "i8"), "u64": np.array([0, 2**53 + 1, 2**64 - 1], "u8")})
    yield "floats", pd.DataFrame({
        "f8": [1.0, np.nan, 0.1], "f4": np.array([1.5, np.nan, 2.25], "f4"), "inf": [np.inf, -np.inf, -0.0],
        "wide": [2.5e-300, 1.7976931348623157e308, 123456789.123456789]})
    yield "bools", pd.DataFrame({"all": [True, False, True], "some": [True, None, False]})
    yield "strings", pd.DataFrame({"s": [u"a", None, u"h\u00e9llo \u4e16\u754c \U0001f600"], "empty": [u"", u"x", u" y "],
                                   "long": [u"x" * 300, u"y", u"z" * 70]})
    yield "categories", pd.DataFrame({
        "c": pd.Categorical(["low", "high", None], ["low", "mid", "high"], ordered=True),
        "i": pd.Categorical([3, 1, 3]), "n": pd.Categorical(["a", "b", "a"])})
    yield "datetimes", pd.DataFrame({
        "naive": times("2022-01-01", "1969-12-31 23:59:59.999999999", None),
        "utc": times("2022-01-01", "2022-06-01 12:00:00.123456", None).tz_localize("UTC"),
        "berlin": times("2022-01-01", "2022-06-01 12:00:00.000000001", None).tz_localize("Europe/Berlin"),
        "fixed": times("2022-01-01", "2022-06-01", None).tz_localize(datetime.timezone(datetime.timedelta(hours=-3, minutes=-30)))
        if VERSION >= (1, 0) else times("2022-01-01", "2022-06-01", None)})
    yield "micros", pd.DataFrame({
        "naive": times("2022-01-01", "1969-12-31 23:59:59.999999", None),
        "utc": times("2022-01-01", "2022-06-01 12:00:00.123456", None).tz_localize("UTC")})
    if VERSION >= (2, 0):
        yield "units", pd.DataFrame({
            unit: pd.Series(pd.to_datetime(["2022-01-01 01:02:03", None])).astype("datetime64[%s]" % unit)
            for unit in ("s", "ms", "us", "ns")})
        yield "delta_units", pd.DataFrame({
            unit: pd.Series(pd.to_timedelta(["1 days 01:02:03", None])).astype("timedelta64[%s]" % unit)
            for unit in ("s", "ms", "us", "ns")})
    yield "timedeltas", pd.DataFrame({"t": pd.to_timedelta(["1 days 00:00:00.000001", "-1 days", None])})
    if VERSION >= (1, 0):
        yield "nullable", pd.DataFrame({
            "i": pd.array([1, None, 2**62], "Int64"), "u": pd.array([1, None, 3], "UInt8"),
            "b": pd.array([True, None, False], "boolean"), "s": pd.array(["a", None, "c"], "string")})
    if VERSION >= (1, 2):
        yield "nullable_float", pd.DataFrame({"f": pd.array([1.5, None, 2.0], "Float64")})
    yield "lists", pd.DataFrame({"l": [[1, 2], [], None], "s": [[u"a"], [u"b", None], [u"c"]], "n": [[[1], [2, 3]], [], [[]]]})
    yield "dicts", pd.DataFrame({"d": [{"a": 1, "b": u"x"}, {"a": 2, "b": None}, {"a": 3, "b": u"z"}]})
    yield "list_of_dicts", pd.DataFrame({"d": [[{"sku": u"a", "n": 1}], [], [{"sku": u"b", "n": 2}, {"sku": u"c", "n": 3}]]})
    yield "decimals", pd.DataFrame({"d": [decimal.Decimal("1.10"), decimal.Decimal("-0.01"), None],
                                    "w": [decimal.Decimal("12345678901234567890.5"), decimal.Decimal("0.1"), decimal.Decimal("-7.0")]})
    yield "days", pd.DataFrame({"d": [datetime.date(2022, 1, 2), datetime.date(1960, 12, 31), None],
                                "t": [datetime.time(1, 2, 3, 4), datetime.time(23, 59, 59), None]})
    yield "bytes", pd.DataFrame({"b": [b"\x00\xff", b"", None]})
    yield "empty", pd.DataFrame({"a": np.array([], "i8"), "b": np.array([], "f8"), "c": np.array([], object)})
    yield "nothing", pd.DataFrame()
    yield "index_named", pd.DataFrame({"a": [1, 2, 3]}, index=pd.Index([7, 8, 9], name="key"))
    yield "index_text", pd.DataFrame({"a": [1, 2, 3]}, index=[u"x", u"y", u"z"])
    yield "index_range", pd.DataFrame({"a": [1, 2, 3]}, index=pd.RangeIndex(10, 16, 2))
    yield "index_times", pd.DataFrame({"a": [1.5, 2.5]}, index=pd.to_datetime(["2022-01-01", "2022-01-02"]))
    yield "index_multi", pd.DataFrame({"a": [1, 2, 3]}, index=pd.MultiIndex.from_tuples(
        [("x", 1), ("x", 2), ("y", 1)], names=["k", None]))
    yield "columns_multi", pd.DataFrame([[1, 2.5], [3, 4.5]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]))
    yield "columns_twice", pd.DataFrame([[1, 2, 3], [4, 5, 6]], columns=["a", "b", "a"])
    yield "columns_numbers", pd.DataFrame([[1, u"x"], [2, u"y"]])
    yield "columns_times", pd.DataFrame([[1, 2]], columns=pd.to_datetime(["2022-01-01", "2022-01-02"]))
    yield "mixed", pd.DataFrame({"id": [1, 2, 3], "total": [1.5, np.nan, 2.5], "name": [u"a", None, u"c"],
                                 "ok": [True, False, True], "day": pd.to_datetime(["2022-02-01", None, "2022-02-03"])})
    yield "objects", pd.DataFrame({"o": [1, u"a", 2.5], "m": [True, None, u"x"]})
    yield "null", pd.DataFrame({"n": [None, None], "a": [1, 2]})
    if VERSION >= (1, 5):
        yield "arrow", pd.DataFrame({
            "s": pd.array(["a", None], "string[pyarrow]"), "i": pd.array([1, None], "int64[pyarrow]"),
            "t": pd.array([datetime.datetime(2022, 1, 1), None], "timestamp[us][pyarrow]")})


CSV_TEXTS = {
    "types": u"i,f,b,s,m\n1,1.5,True,x,1\n2,,False,,x\n",
    "missing": u"a,b,c,d\nNA,nan,NULL,x\n,#N/A,n/a,-nan\nnull,<NA>,N/A,y\n",
    "quotes": u'a,b\n"x, ""y""","line\nbreak"\n"z"tail,  spaced \n',
    "short_rows": u"a,b,c\n1,2,3\n4\n5,6\n",
    "long_rows": u"a,b\n1,2,3\n4,5,6\n",
    "names": u"a,a,,a.1,\n1,2,3,4,5\n",
    "blank_lines": u"\n\na,b\n\n1,2\n   \n3,4\n\n",
    "crlf": u"a,b\r\n1,x\r\n2,y\r\n",
    "big": u"a,b,c,d\n9007199254740993,18446744073709551615,-9223372036854775808,9223372036854775808\n1,2,3,4\n",
    "bigger": u"a,b\n99999999999999999999,99999999999999999999\n1,\n",
    "floats": u"a,b,c,d,e\n1e5,.5,5.,+1.5,inf\n-1E-5,1e400,1e-400,-inf,-Infinity\n",
    "digits": u"a\n0.30000000000000004\n123456789012345678.125\n1.7976931348623157e308\n4.35\n2.675\n0.1234567890123456789\n100000000000000000000000\n",
    "booleans": u"a,b,c,d\nTrue,TRUE,true,True\nFalse,FALSE,false,\n",
    "booleans_mixed": u"a,b\nTrue,1\nno,True\n",
    "spaces": u"a, b ,c\n 1, 2 , x \n3,4,5\n",
    "header_only": u"a,b,c\n",
    "bom": u"\ufeffa,b\n1,2\n",
    "zeros": u"zip,n\n00123,1\n04567,-0\n",
    "dates": u"day,at\n2022-01-01,2022-01-01 12:00:00\n2022-01-02,2022-01-02T13:00:00Z\n",
    "trailing_comma": u"a,b\n1,2,\n3,4,\n",
    "int_missing": u"a,b\n1,9007199254740993\n,\n3,2\n",
    "one_column": u"a\n1\n\n2\n",
    "no_end": u"a,b\n1,2",
    "plus": u"a,b\n+1,1\n+2,2\n",
    "underscore": u"a,b\n1_000,0x10\n2_000,0x20\n",
}

VALUES = {
    "text": u"h\u00e9llo",
    "numbers": [0, -1, 1.5, 2**53 - 1, 2**53, -2**64, 1e300, 0.1],
    "not_finite": [float("nan"), float("inf"), float("-inf")],
    "nested": {"a": [1, {"b": None, "c": [True, False]}], "__proto__": {"x": 1}, "10": 1, "2": 2},
    "empty": {},
}


def write_all(out):
    expected = []
    skipped = []

    def put(name, data, value, hint=None):
        with open(os.path.join(out, name), "wb") as file:
            file.write(data)
        expected.append({"file": name, "format": hint, "value": value})

    def attempt(name, write, read, hint=None):
        if pa.__version__.startswith("0.") and name in ("dicts.feather", "list_of_dicts.feather"):
            skipped.append("%s: this pyarrow crashes" % name)
            return
        try:
            data = write()
            value = project(read(data))
        except Exception as error:  # What a version cannot write is no failure of ours.
            skipped.append("%s: %s: %s" % (name, type(error).__name__, str(error).split("\n")[0][:100]))
            return
        put(name, data, value, hint)

    def to_bytes(write):
        def run():
            buffer = io.BytesIO()
            write(buffer)
            return buffer.getvalue()
        return run

    def reader(read):
        return lambda data: read(io.BytesIO(data))

    for name, frame in frames():
        attempt(name + ".pickle", lambda: pickle.dumps(frame, 4), pickle.loads)
        attempt(name + ".parquet", to_bytes(lambda b: pq_write(frame, b)), reader(pd.read_parquet))
        attempt(name + ".feather", to_bytes(lambda b: frame.to_feather(b)), reader(pd.read_feather))
        attempt(name + ".csv", lambda: frame.to_csv(index=False).encode("utf-8"), reader(pd.read_csv))
        attempt(name + ".columns.json", lambda: frame.to_json().encode("utf-8"), reader(pd.read_json), "pandas-json")

    mixed = dict(frames())["mixed"]
    for protocol in range(0, pickle.HIGHEST_PROTOCOL + 1):
        attempt("mixed.p%d.pickle" % protocol, lambda: pickle.dumps(mixed, protocol), pickle.loads)
    for compression in ("none", "snappy", "gzip", "brotli", "zstd", "lz4"):
        attempt("mixed.%s.parquet" % compression, to_bytes(lambda b: pq_write(mixed, b, compression)), reader(pd.read_parquet))
    for version in ("1.0", "2.0", "2.4", "2.6"):
        attempt("micros.v%s.parquet" % version, to_bytes(lambda b: pq_write(dict(frames())["micros"], b, version=version)),
                reader(pd.read_parquet))
    if pa.__version__.startswith("0."):
        skipped.append("mixed.pages2.parquet: this pyarrow writes version 2 data pages that say they are not compressed")
    else:
        attempt("mixed.pages2.parquet", to_bytes(lambda b: pq_write(mixed, b, data_page_version="2.0")), reader(pd.read_parquet))
    attempt("mixed.plain.parquet", to_bytes(lambda b: pq_write(mixed, b, use_dictionary=False)), reader(pd.read_parquet))
    attempt("mixed.groups.parquet", to_bytes(lambda b: pq_write(mixed, b, row_group_size=2)), reader(pd.read_parquet))
    attempt("micros.int96.parquet", to_bytes(lambda b: pq_write(dict(frames())["micros"], b, use_deprecated_int96_timestamps=True)),
            reader(pd.read_parquet))
    attempt("mixed.bare.parquet", to_bytes(lambda b: pq.write_table(
        pa.Table.from_pandas(mixed, preserve_index=False).replace_schema_metadata(None), b)), reader(pd.read_parquet))
    import pyarrow.feather as feather
    for compression in ("uncompressed", "lz4", "zstd"):
        attempt("mixed.%s.feather" % compression, to_bytes(lambda b: feather.write_feather(mixed, b, compression=compression)),
                reader(pd.read_feather))
    for name, frame in frames():
        if name in ("ints", "floats", "bools", "strings", "categories", "datetimes", "days", "bytes", "empty", "mixed"):
            attempt(name + ".v1.feather", to_bytes(lambda b: feather.write_feather(frame, b, version=1)), reader(pd.read_feather))

    def stream():
        table = pa.Table.from_pandas(mixed, preserve_index=False)
        sink = io.BytesIO()
        new = getattr(pa, "RecordBatchStreamWriter", None) or pa.ipc.new_stream
        writer = new(sink, table.schema)
        writer.write_table(table, 2)
        writer.close()
        return sink.getvalue()

    attempt("mixed.arrows", stream, lambda data: pa.ipc.open_stream(data).read_all().to_pandas())
    attempt("mixed.index.csv", lambda: mixed.to_csv().encode("utf-8"), reader(pd.read_csv))
    for orient in ("split", "records", "values", "table"):
        attempt("mixed.%s.json" % orient, lambda: mixed.to_json(orient=orient).encode("utf-8"),
                lambda data: pd.read_json(io.BytesIO(data), orient=orient), "pandas-json")
    for name, text in sorted(CSV_TEXTS.items()):
        attempt("text_%s.csv" % name, lambda: text.encode("utf-8"), reader(pd.read_csv))

    wrappers = {"gz": gzip.compress, "zlib": zlib.compress, "bz2": bz2.compress, "xz": lzma.compress,
                "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE)}
    try:
        import zstandard
        wrappers["zst"] = zstandard.ZstdCompressor().compress
    except ImportError as error:
        skipped.append("*.zst: %s" % error)
    for ending, wrap in sorted(wrappers.items()):
        attempt("mixed.pickle." + ending, lambda: wrap(pickle.dumps(mixed, 4)), lambda _: mixed)
        attempt("mixed.csv." + ending, lambda: wrap(mixed.to_csv(index=False).encode("utf-8")),
                lambda _: pd.read_csv(io.BytesIO(mixed.to_csv(index=False).encode("utf-8"))))
        attempt("nested.json." + ending, lambda: wrap(json.dumps(VALUES["nested"]).encode("utf-8")), lambda _: VALUES["nested"])
        attempt("mixed.parquet." + ending, lambda: wrap(to_bytes(lambda b: pq_write(mixed, b))()), lambda _: mixed)
        attempt("mixed.feather." + ending, lambda: wrap(to_bytes(lambda b: mixed.to_feather(b))()), lambda _: mixed)
    attempt("twice.json.gz.xz", lambda: lzma.compress(gzip.compress(json.dumps(VALUES["nested"]).encode("utf-8"))),
            lambda _: VALUES["nested"])
    for name, value in sorted(VALUES.items()):
        attempt("value_%s.json" % name, lambda: json.dumps(value).encode("utf-8"), json.loads)
        for protocol in (0, 1, 2, 4):
            attempt("value_%s.p%d.pickle" % (name, protocol), lambda: pickle.dumps(value, protocol), pickle.loads)
        attempt("value_%s.base64" % name, lambda: base64.b64encode(pickle.dumps(value, 4)), lambda data: pickle.loads(base64.b64decode(data)))
    series = pd.Series([1.5, np.nan, 2.5], index=["a", "b", "c"], name="s")
    attempt("series.pickle", lambda: pickle.dumps(series, 4), pickle.loads)
    attempt("frames.pickle", lambda: pickle.dumps({"a": mixed, "b": [series, mixed.index]}, 4), pickle.loads)

    with io.open(os.path.join(out, "expected.jsonl"), "w", encoding="utf-8") as file:
        for line in expected:
            file.write(u"%s\n" % json.dumps(line, sort_keys=True, allow_nan=False))
    return len(expected), skipped


def pq_write(frame, buffer, compression="snappy", **options):
    table = pa.Table.from_pandas(frame)
    if VERSION < (2, 0) and "version" not in options and "use_deprecated_int96_timestamps" not in options:
        options["allow_truncated_timestamps"] = True
        options["coerce_timestamps"] = "us"
    pq.write_table(table, buffer, compression=compression, **options)


if __name__ == "__main__":
    os.makedirs(sys.argv[1], exist_ok=True)
    written, left_out = write_all(sys.argv[1])
    for line in left_out:
        print("not written by pandas %s: %s" % (pd.__version__, line))
    print("%d files by pandas %s, pyarrow %s, NumPy %s" % (written, pd.__version__, pa.__version__, np.__version__))
