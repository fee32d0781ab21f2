"""The JSON projection of the values that the flows return, made by Python from the values themselves."""
import base64
import dataclasses
import datetime
import decimal
import enum
import fractions
import math
import pathlib
import uuid

from pydantic import BaseModel

SAFE = 2**53 - 1


def name(cls):
    return f"{cls.__module__}.{cls.__qualname__}"


def project(v):
    if v is None or isinstance(v, (bool, str)):
        return v
    if isinstance(v, enum.Enum):
        return {"__class__": name(type(v)), "__args__": [project(v.value)]}
    if isinstance(v, int):
        return v if -SAFE <= v <= SAFE else str(v)
    if isinstance(v, float):
        return v if math.isfinite(v) else None
    if isinstance(v, (decimal.Decimal, uuid.UUID, fractions.Fraction, pathlib.PurePath)):
        return str(v)
    if isinstance(v, complex):
        return str(v)
    if isinstance(v, (bytes, bytearray)):
        return base64.b64encode(bytes(v)).decode()
    if isinstance(v, datetime.timedelta):
        return v.total_seconds()
    if isinstance(v, (datetime.datetime, datetime.date, datetime.time)):
        return v.isoformat()
    if isinstance(v, (list, tuple)):
        return [project(i) for i in v]
    if isinstance(v, (set, frozenset)):
        return {"set": sorted((project(i) for i in v), key=repr)}
    if isinstance(v, dict):
        return {str(k): project(i) for k, i in v.items()}
    if isinstance(v, BaseException):
        return {"__class__": name(type(v)), "__args__": [project(a) for a in v.args]}
    if isinstance(v, BaseModel):
        return {"__class__": name(type(v)), **{k: project(i) for k, i in v.__dict__.items()}}
    if dataclasses.is_dataclass(v):
        return {"__class__": name(type(v)), **{k: project(i) for k, i in v.__dict__.items()}}
    module = type(v).__module__.split(".")[0]
    if module == "pandas":
        if type(v).__name__ == "Timestamp":
            return v.isoformat()
        return [{str(k): project(i) for k, i in row.items()} for row in v.to_dict("records")]
    if module == "numpy":
        return project(v.tolist())
    raise TypeError(f"no projection of {type(v)}")
