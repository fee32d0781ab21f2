# CPython's own unpickler for the benchmark: reads one job per line and replies with its processor time in milliseconds.
# A job names a file of one pickle, or of many small ones, each preceded by its length; or it requests a file to be
# made.
import gc, json, pickle, struct, sys, time


def make(path, kind):
    import numpy as np
    if kind == "array":
        value = np.random.default_rng(1).random(5000000)
    else:
        import pandas as pd
        n = 100000
        value = pd.DataFrame({
            "id": np.arange(n), "score": np.arange(n) / 3.0, "active": np.arange(n) % 3 == 0,
            "name": ["name %d" % i for i in range(n)], "city": ["Paris", "Oslo", "Tokyo", "Lima"] * (n // 4),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(n), unit="s")})
    with open(path, "wb") as file:
        pickle.dump(value, file, pickle.HIGHEST_PROTOCOL)


for line in sys.stdin:
    job = json.loads(line)
    try:
        if "make" in job:
            make(job["path"], job["make"])
            print(json.dumps({"ms": 0}))
            continue
        with open(job["path"], "rb") as file:
            data = file.read()
        if job.get("many"):
            pickles, at = [], 0
            while at < len(data):
                size = struct.unpack_from("<I", data, at)[0]
                pickles.append(data[at + 4:at + 4 + size])
                at += 4 + size
        else:
            pickles = [data]
        loads = pickle.loads
        gc.collect()
        start = time.thread_time()
        value = [loads(one) for one in pickles]
        end = time.thread_time()
        del value
        print(json.dumps({"ms": (end - start) * 1000}))
    except Exception as error:
        print(json.dumps({"error": repr(error)}))
