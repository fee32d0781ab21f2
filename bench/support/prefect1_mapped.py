"""The peer of the mapped rows: Prefect 1.4.1's own TaskRunView against the stub API."""
import json
import sys
import time

from prefect.backend import TaskRunView

for line in sys.stdin:
    job = json.loads(line)
    try:
        view = TaskRunView.from_task_run_id(job["task_run_id"])
        start = time.perf_counter()
        if job["work"] == "result":
            count = len(view.get_result())
        else:
            count = 0
            for _ in view.iter_mapped():
                count += 1
                if count == job.get("take"):
                    break
        ms = (time.perf_counter() - start) * 1000
        expected = job.get("take") or job["count"]
        if count != expected:
            raise RuntimeError(f"{count} children instead of {expected}")
        print(json.dumps({"ms": ms * job.get("scale", 1)}), flush=True)
    except Exception as error:
        print(json.dumps({"error": repr(error)}), flush=True)
