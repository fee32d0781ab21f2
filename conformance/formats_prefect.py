"""Writes values with the serializers of the Prefect of this Python, and what they read as.

    python formats_prefect.py DIR

As formats_make.py: DIR gets the files and `expected.jsonl`.
"""
import base64
import collections
import datetime
import decimal
import fractions
import io
import json
import os
import pathlib
import sys
import uuid

import cloudpickle
import numpy as np
import pandas as pd
import pendulum
from prefect.engine.serializers import (
    CompressedSerializer, DateTimeSerializer, JSONSerializer, PandasSerializer, PickleSerializer)

import formats_make


def project(value):
    if isinstance(value, pendulum.DateTime):
        return value.isoformat()
    if isinstance(value, (fractions.Fraction, complex, pathlib.PurePath)):
        return str(value)
    if isinstance(value, dict):
        return {str(key): project(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return [project(item) for item in value] if value.ndim > 0 else project(value.item())
    if isinstance(value, (list, tuple, set, frozenset, collections.deque, range, pd.Series, pd.Index)):
        return [project(item) for item in value]
    return formats_make.project(value)


UTC = datetime.timezone.utc
KEYS = [
    "text", 7, -2**70, 1.5, 1.0, 1e22, 1e-7, -0.0, float("inf"), float("nan"), True, None, (1, 2), (1,), (), (1.0, "a", None),
    ("it's", 'a "b"', "\n\t\\", u"h\u00e9\u200b\u4e16\U0001f600"), ((1, (2.5, b"x")),), b"x'\x00", frozenset([1]), frozenset(),
    decimal.Decimal("1.10"), (decimal.Decimal("1.10"),), fractions.Fraction(1, 3), (fractions.Fraction(1, 3),), 1 + 2j, -1.5j,
    datetime.date(2022, 1, 2), (datetime.date(2022, 1, 2),), datetime.datetime(2022, 1, 2), (datetime.datetime(2022, 1, 2, 3, 4, 5, 6),),
    datetime.datetime(2022, 1, 2, 3, 4, tzinfo=UTC), (datetime.datetime(2022, 1, 2, 3, 4, tzinfo=UTC),),
    (datetime.datetime(2022, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=-3, minutes=-30))),),
    datetime.time(1, 2), (datetime.time(1, 2, 3),), datetime.timedelta(days=-1, seconds=5), (datetime.timedelta(0),),
    (datetime.timedelta(1, 2, 3),), uuid.UUID(int=5), (uuid.UUID(int=5),), pathlib.PurePosixPath("/a/b"), (pathlib.PurePosixPath("/a"),),
    range(3), (range(1, 9, 2),), pd.Timestamp("2022-01-02 03:04:05.000000006"), (pd.Timestamp("2022-01-02", tz="UTC"),),
    (pd.Timestamp("2022-01-02 03:04"),), pd.Timedelta("1 days 02:03:04.5"), (pd.Timedelta("-1 days"),), pd.NaT, np.float64(2.0),
    np.int64(3), np.str_("np"), int, (datetime.datetime,)]

VALUES = {
    "keys": {key: i for i, key in enumerate(KEYS)},
    "equal_keys": {1: "first", "1": "last"},
    "floats_in_lists": {"a": [1.0, 2.0, float("nan")], 1.0: {2: 3.0}},
    "plain": {"a": [1, 2.5, "x", None, True], "b": {"c": (1, 2), "d": {5}}},
    "times": [datetime.datetime(2022, 3, 27, 2, 30, 15, 123456), datetime.datetime(2022, 1, 1, tzinfo=UTC), datetime.date(1, 1, 1),
              datetime.time(23, 59, 59, 999999), datetime.timedelta(days=3, microseconds=1), datetime.timedelta(microseconds=-1),
              pendulum.datetime(2022, 7, 1, 12, tz="Europe/Berlin"), pendulum.datetime(2022, 7, 1)],
    "numbers": [2**53 - 1, 2**53, -2**53, 2**100, 1e300, decimal.Decimal("1E+50"), decimal.Decimal("-0"), fractions.Fraction(-2, 6),
                1.5 - 2j, float("inf"), float("nan")],
    "others": [b"\x00\xff", bytearray(b"ab"), uuid.UUID(int=7), pathlib.PurePosixPath("/x"), range(0, 10, 3),
               collections.deque([1, 2]), collections.OrderedDict([("z", 1), ("a", 2)]), collections.Counter("aab"), frozenset([9])],
    "numpy": [np.float64(1.5), np.int8(-3), np.bool_(True), np.datetime64("2022-01-01T00:00:00"), np.arange(6).reshape(2, 3),
              np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.array([], "f4"), np.array(5), np.array([u"a", u"bc"]),
              np.array([1, "a", None], object), np.array([[True, False]]), np.float32(0.1), np.timedelta64(1500, "ms")],
    "pandas": [pd.Series([1, 2], index=["a", "b"]), pd.Index([1, 2]), pd.Timestamp("2022-01-01", tz="Europe/Berlin"), pd.NaT,
               pd.Timedelta("1h"), {"frame": pd.DataFrame({"a": [1.5, None]})}],
}

FRAME = pd.DataFrame({"id": [1, 2, 3], "total": [1.5, np.nan, 2.5], "name": [u"a", None, u"c"]})

DATETIMES = ["2022-03-01T13:30:00+01:00", "2022-03-01T12:30:00Z", "2022-03-01T13:30:00.123456-03:30", "2022-03-01 13:30:00.123456",
             "2022-03-01T13:30", "2022-03-01", "20220301T133000Z", "2022-03-01T13:30:00.5"]


def main(out):
    expected = []

    def put(name, data, value, hint=None):
        with open(os.path.join(out, name), "wb") as file:
            file.write(data)
        expected.append({"file": name, "format": hint, "value": project(value)})

    def write(name, serializer, value, hint=None):
        data = serializer.serialize(value)
        put(name, data, serializer.deserialize(data), hint)

    for name, value in sorted(VALUES.items()):
        write(name + ".prefect", PickleSerializer(), value)
        put(name + ".old.prefect", base64.b64encode(cloudpickle.dumps(value)), value)
        put(name + ".lines.prefect", base64.encodebytes(cloudpickle.dumps(value)), value)
    for name, value in (("plain", {"a": [1, 2.5, u"h\u00e9", None, True]}), ("big", [2**53, -2**64, 10**30]), ("nan", [float("nan"), float("-inf")])):
        write(name + ".json", JSONSerializer(), value)
    for i, text in enumerate(DATETIMES):
        put("datetime_%d.txt" % i, text.encode(), DateTimeSerializer().deserialize(text.encode()))
    write("datetime.txt", DateTimeSerializer(), pendulum.datetime(2022, 3, 1, 13, 30, tz="Europe/Berlin"))
    for kind, hint in (("csv", None), ("json", "pandas-json"), ("parquet", None), ("feather", None), ("pickle", None)):
        serializer = PandasSerializer(kind)
        try:
            data = serializer.serialize(FRAME)
        except Exception as error:  # The file formats of pandas close what they are given, in some versions.
            print("not written by this Prefect: PandasSerializer(%r): %s" % (kind, error))
            continue
        put("frame." + kind, data, serializer.deserialize(data), hint)
    for compression in ("gzip", "zlib", "bz2", "lzma"):
        write("packed.prefect." + compression, CompressedSerializer(PickleSerializer(), compression), VALUES["plain"])
        write("packed.json." + compression, CompressedSerializer(JSONSerializer(), compression), {"a": [1, None]})
    with io.open(os.path.join(out, "expected.jsonl"), "w", encoding="utf-8") as file:
        for line in expected:
            file.write(u"%s\n" % json.dumps(line, sort_keys=True, allow_nan=False))
    print("%d files" % len(expected))


if __name__ == "__main__":
    os.makedirs(sys.argv[1], exist_ok=True)
    main(sys.argv[1])
