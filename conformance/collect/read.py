"""Reads a collection with pyarrow and DuckDB and compares it with the rows that are due."""
import glob
import json
import sys

import duckdb
import pyarrow.parquet as pq

due_file, parquet, jsonl = sys.argv[1:]
with open(due_file) as file:
    due = json.load(file)

names = ["flow_run_id", "task_run_id", "task_slug", "map_index", "state", "value", "error_reason", "error_message"]


def check(found, reader):
    assert len(found) == len(due), f"{reader}: {len(found)} rows, {len(due)} are due"
    for at, (row, expected) in enumerate(zip(found, due)):
        assert row == expected, f"{reader}, row {at}: {row!r} is not {expected!r}"


def plain(rows):
    return [
        [*row[:5], None if row[5] is None else json.loads(row[5]), *row[6:]]
        for row in rows
    ]


table = pq.read_table(parquet)
check(plain([[row[name] for name in names] for row in table.to_pylist()]), "pyarrow")
assert table.schema.field("map_index").type == "int32"
assert str(table.schema.field("value").type) == "string"
metadata = pq.ParquetFile(sorted(glob.glob(parquet + "/part-*.parquet"))[0]).metadata
assert metadata.created_by == "effect-prefect", metadata.created_by
assert metadata.row_group(0).column(3).statistics.has_min_max
assert metadata.row_group(0).column(0).compression == "ZSTD"

rows = duckdb.sql(f"select {', '.join(names)} from read_parquet('{parquet}/part-*.parquet')").fetchall()
check(plain([list(row) for row in rows]), "DuckDB")

lines = duckdb.sql(
    "select flow_run_id::varchar, task_run_id::varchar, task_slug, map_index, state, "
    "outcome->'$.value', outcome->>'$.error.reason', outcome->>'$.error.message' "
    f"from read_json('{jsonl}/part-*.jsonl', format = 'newline_delimited', columns = {{"
    "flow_run_id: 'varchar', task_run_id: 'varchar', task_slug: 'varchar', map_index: 'integer', state: 'varchar', "
    "outcome: 'json'})"
).fetchall()
check(plain([list(row) for row in lines]), "DuckDB on JSON Lines")
print("equal")
