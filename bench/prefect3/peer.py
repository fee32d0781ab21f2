"""Prefect's own client, doing what we do: one JSON job a line in, one line with its time out.

{"job": "run", "count": 250}: runs a flow of that many mapped tasks, answers with its flow run id.
{"job": "list and read" | "read", "flow_run_id": …}: with a client of its own and one ResultStore for all of the results, the fastest that its
public API allows (`State.result` makes a store for each)."""
import asyncio
import json
import os
import sys
import time
import uuid

from prefect import flow, get_client, task
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.sorting import TaskRunSort
from prefect.filesystems import LocalFileSystem
from prefect.futures import wait
from prefect.results import ResultStore

sys_stdout, sys.stdout = sys.stdout, sys.stderr


@task(persist_result=True)
def square(x):
    return {"x": x, "square": x * x}


@flow
def squares(count):
    wait(square.map(range(count)))


async def list_task_runs(client, flow_run_id):
    runs = []
    filter = FlowRunFilter(id=FlowRunFilterId(any_=[uuid.UUID(flow_run_id)]))
    while True:
        page = await client.read_task_runs(
            flow_run_filter=filter, sort=TaskRunSort.EXPECTED_START_TIME_ASC, limit=200, offset=len(runs)
        )
        runs.extend(page)
        if len(page) < 200:
            return runs


def read(runs):
    store = ResultStore(result_storage=LocalFileSystem(basepath=os.environ["PREFECT_RESULTS_LOCAL_STORAGE_PATH"]))
    total = 0
    for run in runs:
        total += store.read(run.state.data.storage_key, holder="bench").result["square"]
    return total


async def main():
    listed = {}
    async with get_client() as client:
        for line in sys.stdin:
            job = json.loads(line)
            id = job.get("flow_run_id")
            start = time.perf_counter()
            if job["job"] == "run":
                state = await asyncio.to_thread(lambda: squares(job["count"], return_state=True))
                answer = {"ms": 0, "flow_run_id": str(state.state_details.flow_run_id)}
                # Task runs reach the server as events, with a delay.
                while True:
                    runs = await list_task_runs(client, answer["flow_run_id"])
                    if len(runs) == job["count"] and all(run.state and run.state.is_final() for run in runs):
                        break
                    await asyncio.sleep(0.2)
            else:
                if job["job"] == "read":
                    if id not in listed:
                        listed[id] = await list_task_runs(client, id)
                    runs = listed[id]
                    start = time.perf_counter()
                else:
                    async with get_client() as own:
                        runs = await list_task_runs(own, id)
                total = await asyncio.to_thread(read, runs)
                answer = {"ms": (time.perf_counter() - start) * 1000, "count": len(runs), "total": total}
            print(json.dumps(answer), file=sys_stdout, flush=True)


asyncio.run(main())
