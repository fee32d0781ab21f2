"""Runs flows with every serializer and storage against the server of PREFECT_API_URL, then reads every task run back as
Prefect does. Prints one JSON object a line: what a reader of the same server has to find."""
import asyncio
import datetime
import decimal
import json
import os
import pathlib
import sys
import time
import uuid

import numpy
import pandas
from prefect import flow, get_client, tags, task
from prefect.cache_policies import INPUTS, NO_CACHE
from prefect.filesystems import LocalFileSystem, RemoteFileSystem
from prefect.futures import wait
from prefect.serializers import CompressedSerializer, JSONSerializer, PickleSerializer
from prefect.states import Completed
from prefect_aws import AwsClientParameters, AwsCredentials
from prefect_aws.s3 import S3Bucket

from prefect3_models import Colour, Item, Point
from projection import project

STORE = pathlib.Path(os.environ["STORE"])
UTC = datetime.timezone.utc

VALUES = {
    "none": None,
    "bool": True,
    "int": 42,
    "negint": -7,
    "bigint": 2**70,
    "float": 1.5,
    "nan": float("nan"),
    "inf": float("-inf"),
    "str": "h\u00e9llo \u2603 \U0001d11e",
    "empty_str": "",
    "bytes": b"\x00\xff raw",
    "list": [1, "a", None, [2.5, False]],
    "tuple": (1, "two", 3.5),
    "dict": {"a": 1, "b": {"c": [1, 2]}},
    "result_dict": {"result": "not a record"},
    "data_dict": {"serializer": "x", "data": "not a record either"},
    "dict_intkeys": {1: "one", 2: "two"},
    "set": {1, 2, 3},
    "datetime_utc": datetime.datetime(2024, 2, 29, 12, 34, 56, 789012, tzinfo=UTC),
    "datetime_tz": datetime.datetime(2024, 2, 29, 12, 34, 56, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
    "datetime_naive": datetime.datetime(2024, 2, 29, 12, 34, 56),
    "date": datetime.date(2024, 2, 29),
    "time": datetime.time(1, 2, 3),
    "timedelta": datetime.timedelta(days=1, seconds=2, microseconds=3),
    "negative_timedelta": datetime.timedelta(seconds=-1.5),
    "decimal": decimal.Decimal("12345678901234567890.10"),
    "uuid": uuid.UUID("12345678-1234-5678-1234-567812345678"),
    "complex": 3 - 4.5j,
    "imaginary": 2j,
    "path": pathlib.PurePosixPath("/a/b"),
    "enum": Colour.RED,
    "dataclass": Point(1, 2.5, ["q"]),
    "pydantic": Item(id=1, name="n", nested={"k": 3}),
    "list_of_pydantic": [Item(id=1, name="a"), Item(id=2, name="b")],
    "exception": ValueError("as a value"),
    "dict_of_datetime": {"when": datetime.datetime(2024, 1, 1, tzinfo=UTC), "amount": decimal.Decimal("1.10")},
    "big_text": "0123456789abcdef" * 4096,
    "np_array": numpy.arange(6.0).reshape(2, 3),
    "df": pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
}

SERIALIZERS = {
    "pickle": PickleSerializer(),
    "json": JSONSerializer(),
    "compressed/pickle": "compressed/pickle",
    "compressed/json": "compressed/json",
    "zlib": CompressedSerializer(serializer="pickle", compressionlib="zlib"),
    "gzip": CompressedSerializer(serializer="json", compressionlib="gzip"),
    "bz2": CompressedSerializer(serializer="pickle", compressionlib="bz2"),
    "lzma": CompressedSerializer(serializer="json", compressionlib="lzma"),
}


def round_trip(serializer, value):
    """What the serializer gives back, or nothing where it does not take the value."""
    from prefect.serializers import Serializer

    loaded = Serializer(type=serializer) if isinstance(serializer, str) else serializer
    try:
        return {"value": project(loaded.loads(loaded.dumps(value)))}
    except Exception:
        return {"reason": "NotPersisted"}


expected = {}


def expect(state_or_id, outcome, why=""):
    expected[str(state_or_id)] = (outcome, why)


@task(persist_result=True)
def keyed(kind):
    return VALUES[kind]


@flow
def kinds(label):
    serializer = SERIALIZERS[label]
    base = keyed.with_options(result_serializer=serializer)
    futures = []
    for kind, value in VALUES.items():
        run = base.with_options(
            task_run_name=f"{label} {kind}",
            result_storage_key=f"{STORE}/storage/kinds-{label.replace('/', '-')}-{kind}",
        )
        future = run.submit(kind)
        futures.append((future, serializer, value))
    for future, serializer, value in futures:
        future.wait()
        expect(future.task_run_id, round_trip(serializer, value), "round trip")


@task(persist_result=True)
def plain(x):
    return x


@task(persist_result=False)
def unpersisted(x):
    return x


@task(persist_result=True)
def failing(x):
    raise ValueError(f"boom {x}")


@task
def failing_unpersisted():
    raise RuntimeError("no trace")


@task(retries=2, retry_delay_seconds=0, persist_result=True)
def flaky(path):
    file = pathlib.Path(path)
    count = int(file.read_text()) if file.exists() else 0
    file.write_text(str(count + 1))
    if count < 1:
        raise ValueError("not yet")
    return count


@task(cache_policy=INPUTS, persist_result=True, cache_expiration=datetime.timedelta(days=30))
def cached(x):
    return x * 10


@task(timeout_seconds=0.3)
def slow():
    time.sleep(2)


@task(persist_result=True)
def returns_state():
    return Completed(name="AllGood", message="as you like")


@task
def downstream(x):
    return x


@task(persist_result=True)
def mapped(x):
    return x * x


@task(persist_result=True, result_serializer="json")
def not_json():
    return b"bytes"


@task(persist_result=True, cache_policy=NO_CACHE)
def dangling():
    return 1


@flow(persist_result=True)
def child(x):
    return {"child": x}


@flow(persist_result=True)
def structure():
    plain(1)
    unpersisted(2)
    failing(3, return_state=True)
    failing_unpersisted(return_state=True)
    flaky(str(STORE / "flaky.count"))
    cached(4)
    cached(4)
    slow(return_state=True)
    returns_state(return_state=True)
    bad = failing.submit(5)
    downstream.submit(bad).wait()
    wait(mapped.map([1, 2, 3, 4]))
    not_json(return_state=True)
    child(6)
    with tags("tagged"):
        plain(7)
    dangling()
    return "done"


@task(persist_result=True, result_serializer="json")
def in_block(x):
    return {"stored": x}


@task(persist_result=True, result_serializer="json", cache_expiration=datetime.timedelta(milliseconds=1), cache_policy=INPUTS)
def expiring(x):
    return x + 1


@flow
def blocks(storages):
    for name, storage in storages.items():
        state = in_block.with_options(task_run_name=f"block {name}", result_storage=storage)(name, return_state=True)
        assert state.is_completed(), state
    expiring.with_options(result_storage=storages["local"])(3)


def make_blocks():
    credentials = AwsCredentials(
        aws_access_key_id="AKIAFAKEFAKEFAKE0000",
        aws_secret_access_key="fake-secret-not-real",
        region_name="us-east-1",
        aws_client_parameters=AwsClientParameters(endpoint_url=os.environ["S3_ENDPOINT"]),
    )
    out = {
        "local": LocalFileSystem(basepath=str(STORE / "blockstore")),
        "s3": S3Bucket(bucket_name="results", bucket_folder="deep/er", credentials=credentials),
        "s3_root": S3Bucket(bucket_name="results", credentials=credentials),
        "remote": RemoteFileSystem(
            basepath="s3://results/remote",
            settings={
                "key": "AKIAFAKEFAKEFAKE0000",
                "secret": "fake-secret-not-real",
                "client_kwargs": {"endpoint_url": os.environ["S3_ENDPOINT"], "region_name": "us-east-1"},
            },
        ),
    }
    for key, block in out.items():
        block.save(f"block-{key.replace('_', '-')}", overwrite=True)
    return out


def outcome(state):
    """What Prefect gives for a state, in the words of the reasons that a reader has."""
    from prefect import exceptions as e

    try:
        value = state.result(raise_on_failure=False, _sync=True)
    except e.MissingResult:
        return {"reason": "NotPersisted"}
    except (e.UnfinishedRun, e.PausedRun):
        return {"reason": "NotFinished"}
    except ValueError as error:
        return {"reason": "ResultNotFound"} if "does not exist" in str(error) else {"reason": repr(error)}
    except Exception as error:
        return {"reason": f"{type(error).__name__}: {error}"}
    if state.data is None:
        # Prefect makes an exception of the message; nothing was stored.
        return {"reason": "NotPersisted"}
    return {"value": project(value)}


def main():
    flow_runs = {}

    def run(label, fn, *args):
        state = fn(*args, return_state=True)
        flow_runs[label] = str(state.state_details.flow_run_id)

    for label in SERIALIZERS:
        run(f"kinds {label}", kinds, label)
    run("structure", structure)
    made = make_blocks()
    run("blocks", blocks, made)
    time.sleep(4)  # Task runs reach the server as events.

    async def read():
        async with get_client() as client:
            for label, id in flow_runs.items():
                offset = 0
                while True:
                    # Prefect's own models refuse a page with a CompressedSerializer of a chosen library.
                    body = {"flow_runs": {"id": {"any_": [id]}}, "sort": "ID_DESC", "offset": offset, "limit": 20}
                    rows = (await client._client.post("/task_runs/filter", json=body)).json()
                    for row in rows:
                        yield label, row
                    offset += len(rows)
                    if not rows:
                        break

    async def collect():
        return [pair async for pair in read()]

    from prefect.client.schemas.objects import State

    for label, row in asyncio.run(collect()):
        found = expected.get(row["id"])
        if found is None:
            found = (outcome(State.model_validate(row["state"])), "read by Prefect")
        print(json.dumps({
            "flow": label,
            "flow_run_id": row["flow_run_id"],
            "task_run_id": row["id"],
            "task_key": row["task_key"],
            "name": row["name"],
            "state": row["state"],
            "outcome": found[0],
            "why": found[1],
        }))
    print(json.dumps({"flow_runs": flow_runs, "blocks": {k: str(b._block_document_id) for k, b in made.items()}}))


if __name__ == "__main__":
    main()
