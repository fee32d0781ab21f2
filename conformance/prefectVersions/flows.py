"""Runs flows of Prefect 2 or 3 against the server of PREFECT_API_URL, then reads every run back as that version's own
client does. Prints one JSON object a line: what a reader of the same server has to find."""
import asyncio
import datetime
import decimal
import inspect
import json
import os
import pathlib
import urllib.request

from prefect import flow, task
from prefect.filesystems import LocalFileSystem

STORE = pathlib.Path(os.environ["STORE"])
API = os.environ["PREFECT_API_URL"]
UTC = datetime.timezone.utc
VALUE = {"x": 7, "when": datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), "dec": decimal.Decimal("1.50"), "t": (1, "b")}

block = LocalFileSystem(basepath=str(STORE / "blockstore"))
saved = block.save("results", overwrite=True)


def post(path, body):
    request = urllib.request.Request(
        API + path, data=json.dumps(body).encode(), headers={"content-type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)


@task(persist_result=True)
def pickled(x):
    return {**VALUE, "x": x}


@task(persist_result=True, result_serializer="json")
def as_json():
    return {"rows": [1, 2.5, None], "text": "übung", "deep": {"a": [True, False]}}


@task(persist_result=True, result_serializer="compressed/pickle")
def compressed():
    return list(range(50))


@task(persist_result=True, result_serializer="compressed/json")
def compressed_json():
    return {"k": "v" * 40}


@task(persist_result=True)
def none():
    return None


@task(persist_result=True)
def false():
    return False


@task(persist_result=True)
def empty():
    return ""


@task(persist_result=False)
def unpersisted():
    return "gone"


@task(persist_result=True)
def mapped(n):
    return n * n


@task(persist_result=True)
def total(numbers):
    return sum(numbers)


@task(persist_result=True)
def broken():
    raise ValueError("broken on purpose")


@task(persist_result=False)
def broken_unpersisted():
    raise RuntimeError("could not reach the warehouse")


attempts = []


@task(persist_result=True, retries=2, retry_delay_seconds=0)
def flaky():
    attempts.append(1)
    if len(attempts) < 2:
        raise ValueError("not yet")
    return "second try"


@task(persist_result=True, cache_key_fn=lambda context, arguments: "one-key-" + os.environ["RUN"])
def cached():
    return "cached value"


@flow(persist_result=True)
def child():
    return {"from": "child", "value": pickled(1)["x"]}


@flow(persist_result=True, name="everything")
def everything():
    pickled(7)
    as_json()
    compressed()
    compressed_json()
    none()
    false()
    empty()
    unpersisted()
    first = mapped.map([1, 2, 3])
    second = mapped.map([4, 5])
    alone = mapped.submit(9)
    total.submit(first).wait()
    for future in [*first, *second, alone]:
        future.wait()
    broken(return_state=True)
    broken_unpersisted(return_state=True)
    flaky()
    cached()
    cached()
    child()
    return {"done": True, "when": VALUE["when"]}


@flow(persist_result=True, name="in a block", result_storage=block)
def in_a_block():
    return pickled(3)


@flow(persist_result=False, name="nothing kept")
def nothing_kept():
    return 1


def project(value):
    if isinstance(value, dict):
        return {str(key): project(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [project(item) for item in value]
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, BaseException):
        return {"__class__": "builtins." + type(value).__name__, "__args__": list(value.args)}
    return value


async def outcome(state, raw):
    data = raw["state"]["data"]
    if data is None or isinstance(data, dict) and data.get("type") == "unpersisted":
        return {"reason": "NotPersisted"}
    try:
        # Without it, the first versions return the record in place of the result.
        found = state.result(raise_on_failure=False, fetch=True)
    except TypeError:
        found = state.result(raise_on_failure=False)
    if inspect.isawaitable(found):
        found = await found
    return {"value": project(found)}


async def read():
    try:
        from prefect import get_client
    except ImportError:
        from prefect.client import get_client
    async with get_client() as client:
        flow_runs = post("/flow_runs/filter", {"sort": "ID_DESC"})
        for row in flow_runs:
            found = await client.read_flow_run(row["id"])
            line = {"kind": "flow_run", "id": row["id"], "name": row["name"], "state": row["state"]}
            print(json.dumps({**line, "outcome": await outcome(found.state, row)}))
        ids = [row["id"] for row in flow_runs]
        for row in post("/task_runs/filter", {"flow_runs": {"id": {"any_": ids}}, "sort": "ID_DESC", "limit": 200}):
            found = await client.read_task_run(row["id"])
            line = {
                "kind": "task_run",
                "id": row["id"],
                "name": row["name"],
                "flow_run_id": row["flow_run_id"],
                "task_key": row["task_key"],
                "dynamic_key": row["dynamic_key"],
                "state": row["state"],
            }
            print(json.dumps({**line, "outcome": await outcome(found.state, row)}))


if __name__ == "__main__":
    everything()
    in_a_block()
    nothing_kept()
    print(json.dumps({"kind": "block", "id": str(saved)}))
    asyncio.run(read())
