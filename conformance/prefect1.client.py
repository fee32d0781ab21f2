"""
Prefect's own Python client, unchanged, against a server: every view and result of an archive, and everything in
prefect.backend and prefect.Client that reads. The server's address is in the environment; standard input is one JSON
object: {"archive": folder}, or {"archive": folder, "watch": id of a running flow run, "marker": a file to create when
its first line was seen, so that it may end}, or {"archive": folder, "key": true} for a server that wants the key which
the environment has. Prints a JSON line for each check.
"""
import base64
import dataclasses
import datetime
import decimal
import json
import math
import sys
import traceback
import uuid
import warnings

warnings.simplefilter("ignore")

import pandas
import pendulum
import prefect
from prefect.backend import FlowRunView, FlowView, TaskRunView, TenantView
from prefect.backend import execution, kv_store
from prefect.backend import flow_run as flow_run_module
from prefect.engine import serializers
from prefect.engine import state as states
from prefect.exceptions import AuthorizationError, ClientError

task = json.load(sys.stdin)


def rows(table):
    with open("{}/tables/{}.jsonl".format(task["archive"], table)) as lines:
        return [json.loads(line) for line in lines if line.strip()]


tables = {
    name: rows(name)
    for name in "tenant project flow_group flow task edge flow_run task_run flow_run_state log".split()
}
by_id = {name: {row["id"]: row for row in found} for name, found in tables.items()}
with open(task["archive"] + "/expected.jsonl") as lines:
    expected = {row["task_run_id"]: row for row in map(json.loads, lines)}


def check(name, body):
    try:
        detail = body()
        print(json.dumps({"name": name, "ok": True, "detail": detail or ""}), flush=True)
    except Exception:
        print(json.dumps({"name": name, "ok": False, "detail": traceback.format_exc()[-3000:]}), flush=True)


def same(found, wanted, what=""):
    assert found == wanted, "{}: found {!r}, wanted {!r}".format(what, found, wanted)


def raises(kinds, body):
    try:
        body()
    except kinds as error:
        return error
    raise AssertionError("nothing was raised")


def project(value):
    """The JSON projection of a Python value, as expected.jsonl has it."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, pandas.DataFrame):
        columns = [(name, list(value[name])) for name in value.columns]
        return [{str(name): project(column[i]) for name, column in columns} for i in range(len(value))]
    if value is pandas.NaT or value is getattr(pandas, "NA", None):
        return None
    if hasattr(value, "tolist") and not isinstance(value, datetime.datetime):
        return project(value.tolist())
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (decimal.Decimal, uuid.UUID)):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, dict):
        return {str(key): project(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [project(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(project(item) for item in value)
    if dataclasses.is_dataclass(value):
        return {key: project(item) for key, item in vars(value).items()}
    raise TypeError("no projection of {}".format(type(value)))


def serializer_for(location):
    """Prefect never recorded the serializer: whoever reads has to know what the flow used, here from the name."""
    if location.endswith(".json"):
        return serializers.JSONSerializer()
    if location.endswith(".json.xz"):
        return serializers.CompressedSerializer(serializers.JSONSerializer(), "lzma")
    if location.endswith(".pkl.gz"):
        return serializers.CompressedSerializer(serializers.PickleSerializer(), "gzip")
    if location.endswith(".txt"):
        return serializers.DateTimeSerializer()
    if location.endswith(".csv"):
        return serializers.PandasSerializer("csv", deserialize_kwargs={"index_col": 0} if csv_has_index(location) else {})
    if location.endswith(".parquet"):
        return serializers.PandasSerializer("parquet")
    return None


def csv_has_index(location):
    with open(location) as lines:
        return lines.readline().startswith(",")


def with_serializer(view):
    result = view.state._result
    chosen = serializer_for(getattr(result, "location", None) or "") if result is not None else None
    if chosen is not None:
        result.serializer = chosen
    return view


def same_task_run(view, row):
    same(view.task_run_id, row["id"], "task_run_id")
    same(view.task_id, row["task_id"], "task_id")
    same(view.task_slug, by_id["task"][row["task_id"]]["slug"], "task_slug")
    same(view.name, row["name"], "name")
    same(view.map_index, row["map_index"], "map_index")
    same(view.flow_run_id, row["flow_run_id"], "flow_run_id")
    wanted = row["serialized_state"] or states.Scheduled().serialize()
    same(type(view.state).__name__, wanted["type"], "state")
    same(view.state.message, wanted["message"], "message")
    same(view.state, states.State.deserialize(wanted), "state")


def task_run_views():
    for row in tables["task_run"]:
        same_task_run(TaskRunView.from_task_run_id(row["id"]), row)
    return "{} task runs".format(len(tables["task_run"]))


def task_run_slugs():
    for row in tables["task_run"]:
        slug = by_id["task"][row["task_id"]]["slug"]
        view = TaskRunView.from_task_slug(slug, row["flow_run_id"], row["map_index"])
        same_task_run(view, row)
        if hasattr(view, "get_latest"):  # since 1.0
            same(view.get_latest(), view, "get_latest")


def mapped():
    parents = [row for row in tables["task_run"] if row["state"] == "Mapped"]
    count = 0
    for row in parents:
        children = [
            child for child in tables["task_run"]
            if child["task_id"] == row["task_id"] and child["flow_run_id"] == row["flow_run_id"] and child["map_index"] >= 0
        ]
        children.sort(key=lambda child: child["map_index"])
        found = list(TaskRunView.from_task_run_id(row["id"]).iter_mapped())
        same([view.task_run_id for view in found], [child["id"] for child in children], row["name"])
        for view, child in zip(found, children):
            same_task_run(view, child)
        count += len(found)
    raises(TypeError, lambda: list(TaskRunView.from_task_run_id(children_of_none()).iter_mapped()))
    return "{} children of {} parents".format(count, len(parents))


def children_of_none():
    return next(row["id"] for row in tables["task_run"] if row["state"] == "Success")


def results():
    values = errors = 0
    for row in tables["task_run"]:
        wanted = expected[row["id"]]["outcome"]
        view = with_serializer(TaskRunView.from_task_run_id(row["id"]))
        if view.state.is_mapped() and "value" in wanted:
            same(project([with_serializer(child).get_result() for child in view.iter_mapped()]), wanted["value"], row["name"])
            values += 1
            if not wanted["value"]:
                # Python rejects a mapped task without children.
                raises(ValueError, view.get_result)
                continue
        if "value" in wanted:
            same(project(view.get_result()), wanted["value"], row["name"])
            values += 1
        else:
            error = raises((ValueError, TypeError), view.get_result)
            said = {"NotFinished": ("not finished", "cannot be retrieved"), "NotPersisted": ("no `location`", "no `Result` type", "custom `Result`")}
            assert any(part in str(error) for part in said[wanted["error"]]), "{}: {}".format(row["name"], error)
            errors += 1
    return "{} values, {} errors".format(values, errors)


def no_such_task_run():
    error = raises(ValueError, lambda: TaskRunView.from_task_run_id("00000000-0000-0000-0000-000000000000"))
    assert "No task runs found" in str(error), error
    raises(ValueError, lambda: TaskRunView.from_task_slug("no-such-task", tables["flow_run"][0]["id"]))
    raises((ValueError, ClientError), lambda: TaskRunView.from_task_run_id("no uuid"))


def flow_run_views():
    for row in tables["flow_run"]:
        view = FlowRunView.from_flow_run_id(row["id"])
        same(view.flow_run_id, row["id"], "flow_run_id")
        same(view.name, row["name"], "name")
        same(view.flow_id, row["flow_id"], "flow_id")
        same(list(view.labels), row["labels"], "labels")
        same(dict(view.parameters), row["parameters"], "parameters")
        same(dict(view.context or {}), row["context"] or {}, "context")
        same(view.updated_at, pendulum.parse(row["updated"]), "updated")
        same(view.state, states.State.deserialize(row["serialized_state"]), "state")
        same(type(view.run_config).__name__, row["run_config"]["type"], "run_config")
        history = sorted(
            (state for state in tables["flow_run_state"] if state["flow_run_id"] == row["id"]),
            key=lambda state: pendulum.parse(state["timestamp"]),
        )
        same(
            [(type(state).__name__, state.timestamp, state.message) for state in view.states],
            [(state["state"], pendulum.parse(state["timestamp"]), state["message"]) for state in history],
            "states",
        )
        latest = view.get_latest(load_static_tasks=True)
        same(latest.state, view.state, "get_latest")
        repr(view)


def flow_run_task_runs():
    for row in tables["flow_run"]:
        mine = {run["id"]: run for run in tables["task_run"] if run["flow_run_id"] == row["id"]}
        view = FlowRunView.from_flow_run_id(row["id"])
        same(sorted(view.get_task_run_ids()), sorted(mine), "get_task_run_ids")
        for found in view.get_all_task_runs():
            same_task_run(found, mine.pop(found.task_run_id))
        same(mine, {}, "get_all_task_runs")
        run = next(run for run in tables["task_run"] if run["flow_run_id"] == row["id"] and run["map_index"] == 0)
        slug = by_id["task"][run["task_id"]]["slug"]
        fresh = FlowRunView.from_flow_run_id(row["id"])
        same_task_run(fresh.get_task_run(task_slug=slug, map_index=0), run)
        same_task_run(fresh.get_task_run(task_run_id=run["id"]), run)
        same_task_run(fresh.get_task_run(task_run_id=run["id"], task_slug=slug, map_index=0), run)
        raises(ValueError, lambda: fresh.get_task_run(task_run_id=run["id"], task_slug="another"))


def logs():
    count = 0
    for row in tables["flow_run"]:
        mine = sorted(
            ((pendulum.parse(log["timestamp"]), log["level"], log["message"]) for log in tables["log"] if log["flow_run_id"] == row["id"])
        )
        view = FlowRunView.from_flow_run_id(row["id"])
        named = lambda found: sorted((log.timestamp, flow_run_module.logging.getLevelName(log.level), log.message) for log in found)
        same(named(view.get_logs()), mine, "get_logs")
        if mine:
            start, end = mine[len(mine) // 4][0], mine[len(mine) // 2][0]
            same(named(view.get_logs(start, end)), [log for log in mine if start < log[0] <= end], "get_logs of a time")
        count += len(mine)
    return "{} lines".format(count)


def flows():
    for row in tables["flow"]:
        group = by_id["flow_group"][row["flow_group_id"]]
        project_name = by_id["project"][row["project_id"]]["name"]
        found = [
            FlowView.from_id(row["id"]),
            FlowView.from_flow_id(row["id"]),
            FlowView.from_id(group["id"]),
            FlowView.from_flow_group_id(group["id"]),
            FlowView.from_flow_name(row["name"]),
            FlowView.from_flow_name(row["name"], project_name=project_name),
        ]
        runs = [run for run in tables["flow_run"] if run["flow_id"] == row["id"]]
        found += [FlowRunView.from_flow_run_id(run["id"]).get_flow_metadata() for run in runs]
        for view in found:
            same(view.flow_id, row["id"], "flow_id")
            same(view.name, row["name"], "name")
            same(view.project_name, project_name, "project")
            same(view.archived, row["archived"], "archived")
            same(view.core_version, row["core_version"], "core_version")
            same(dict(view.settings), row["settings"], "settings")
            same(json.loads(json.dumps(view.serialized_flow)), row["serialized_flow"], "serialized_flow")
            same(view.flow_group_labels, group["labels"], "labels")
            same(type(view.storage).__name__, row["storage"]["type"], "storage")
            slugs = {item["slug"] for item in tables["task"] if item["flow_id"] == row["id"]}
            same({item.slug for item in view.flow.tasks}, slugs, "flow.tasks")
    raises(ValueError, lambda: FlowView.from_id("00000000-0000-0000-0000-000000000000"))
    raises(ValueError, lambda: FlowView.from_flow_name("no such flow"))


def tenants():
    row = tables["tenant"][0]
    for view in (TenantView.from_tenant_id(row["id"]), TenantView.from_current_tenant()):
        same((view.tenant_id, view.name, view.slug), (row["id"], row["name"], row["slug"]))


def client_reads():
    client = prefect.Client()
    tenant = tables["tenant"][0]
    same(client.tenant_id, tenant["id"], "tenant_id")
    same(client.get_default_tenant_slug(), tenant["slug"], "get_default_tenant_slug")
    same([dict(found) for found in client.get_available_tenants()], [{key: tenant[key] for key in ("id", "slug", "name")}])
    assert client.get_cloud_url("flow-run", "x").endswith("/{}/flow-run/x".format(tenant["slug"]))
    for row in tables["flow_run"]:
        same(client.get_flow_run_state(row["id"]), states.State.deserialize(row["serialized_state"]))
        info = client.get_flow_run_info(row["id"])
        same((info.id, info.name, info.flow_id, info.version), (row["id"], row["name"], row["flow_id"], row["version"]))
        static = {run["id"]: run for run in tables["task_run"] if run["flow_run_id"] == row["id"] and run["map_index"] == -1}
        same({run.id: run.task_slug for run in info.task_runs}, {key: by_id["task"][run["task_id"]]["slug"] for key, run in static.items()})
        same(info.project.name, by_id["project"][by_id["flow"][row["flow_id"]]["project_id"]]["name"])
    for row in tables["task_run"][:10]:
        same(client.get_task_run_state(row["id"]), states.State.deserialize(row["serialized_state"]))
    same(client.get_latest_cached_states(tables["task"][0]["id"], None, pendulum.datetime(2020, 1, 1)), [])
    same(client.get_latest_cached_states(tables["task"][0]["id"], "key", pendulum.datetime(2020, 1, 1)), [])
    found = client.graphql("query($slug: String) { tenant(where: {slug: { _eq: $slug } }) { id } }", variables=dict(slug=tenant["slug"]))
    same(found.data.tenant[0].id, tenant["id"])
    same(client.graphql({"query": {"hello"}}).data.hello is not None, True)


def execution_reads():
    for row in tables["flow_run"]:
        assert execution._get_next_task_run_start_time(row["id"]) is None
        mine = [state for state in tables["flow_run_state"] if state["flow_run_id"] == row["id"] and state["state"] == "Scheduled"]
        wanted = [pendulum.parse(state["start_time"] or row["scheduled_start_time"]) for state in mine]
        assert execution._get_flow_run_scheduled_start_time(row["id"]) in (wanted or [pendulum.parse(row["scheduled_start_time"])])
    assert "no healthy agents" in flow_run_module.check_for_compatible_agents([])
    assert "no healthy agents" in flow_run_module.check_for_compatible_agents(["a", "b"])


def kv():
    # Prefect's own client rejects these without Cloud, before any request.
    raises(ClientError, lambda: kv_store.get_key_value("key"))
    raises(ClientError, kv_store.list_keys)


def refused():
    client = prefect.Client()
    run = tables["flow_run"][0]["id"]
    for body in (
        lambda: client.set_flow_run_name(run, "x"),
        lambda: client.cancel_flow_run(run),
        lambda: client.create_project("x"),
        lambda: client.set_task_run_name(tables["task_run"][0]["id"], "x"),
        lambda: client.graphql("mutation { delete_flow_run(input: {flow_run_id: \"%s\"}) { success } }" % run),
    ):
        error = raises(ClientError, body)
        assert "read-only" in str(error), error


def watch_finished():
    row = next(row for row in tables["flow_run"] if states.State.deserialize(row["serialized_state"]).is_finished())
    found = list(flow_run_module.watch_flow_run(row["id"]))
    same(len(found), 1, "lines")
    assert found[0].message.startswith("Your flow run finished"), found


def watch_running():
    row = by_id["flow_run"][task["watch"]]
    found = []
    for line in flow_run_module.watch_flow_run(row["id"]):
        found.append(line)
        # The run may end now: check that its end is seen.
        open(task["marker"], "w").close()
    lines = [log["message"] for log in tables["log"] if log["flow_run_id"] == row["id"]] + ["the last line"]
    entered = [
        "Entered state <{}>: {}".format(state["state"], state["message"])
        for state in tables["flow_run_state"] if state["flow_run_id"] == row["id"]
    ] + ["Entered state <Success>: done"]
    same(sorted(log.message for log in found), sorted(lines + entered), "lines")
    same(found[-1].message, "Entered state <Success>: done", "last")
    return "{} lines".format(len(found))


def right_key():
    client = prefect.Client()
    same(client._get_auth_tenant(), tables["tenant"][0]["id"], "tenant of the key")
    # 0.15's name for it; it sends a null beside the slug.
    switch = getattr(client, "switch_tenant", None) or client.login_to_tenant
    switch(tenant_slug=tables["tenant"][0]["slug"])
    same(client.tenant_id, tables["tenant"][0]["id"], "tenant after the switch")
    same_task_run(TaskRunView.from_task_run_id(tables["task_run"][0]["id"]), tables["task_run"][0])


def wrong_key():
    client = prefect.Client(api_key="another key")
    raises(AuthorizationError, client._get_auth_tenant)
    client.api_key = "wrong"
    raises(AuthorizationError, client.get_available_tenants)


reads = (
    task_run_views, task_run_slugs, mapped, results, no_such_task_run, flow_run_views, flow_run_task_runs, logs, flows,
    tenants, client_reads, execution_reads, kv, refused, watch_finished,
)
wanted = (watch_running,) if "watch" in task else (right_key, wrong_key) if "key" in task else reads
for function in wanted:
    check(function.__name__, function)
