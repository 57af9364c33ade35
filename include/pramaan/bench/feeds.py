"""Rows a second from a progress file to committed raw rows, beside the floor: a plain read and a plain COPY.

Both write to the same server, with its own durability, in processes of their own, so that each has its own
peak of memory.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
from psycopg.conninfo import make_conninfo

from pramaan.bench.measurement import Measurement
from pramaan.errors import HostError, SettingsError
from pramaan.pipeline import Pipeline

__all__ = ["FORMATS", "TARGET_ROWS_PER_SECOND", "run", "write_progress"]

FORMATS = ("parquet", "csv", "jsonl")
TARGET_ROWS_PER_SECOND = 100_000

_EMPTY = "truncate raw.progress, ops.loads, ops.load_verdicts, ops.quarantine, ops.changed_keys"

_ROWS = """
    select
        'user-' || lpad((i // 20)::varchar, 31, '0') as user_id,
        'do_' || lpad(((i // 20) % 50)::varchar, 21, '0') as course_id,
        lpad(((i // 20) % 50)::varchar, 19, '0') as batch_id,
        'do_' || lpad((i % 20)::varchar, 21, '0') as content_id,
        i % 3 as status,
        case when i % 2 = 0 then (i * 7919 % 1001) / 10 end as score,
        case when i % 3 = 2 then timestamptz '2026-01-01 00:00:00Z' + to_seconds(i % 5000000) end
            as completed_at,
        timestamptz '2026-01-01 00:00:00Z' + to_seconds(i % 5000000) as updated_at
    from (select i * 514229 % {rows} as i from range({rows}) as numbers (i))
"""
_AS_TEXT = (
    "* replace (strftime(completed_at, '{0}') as completed_at, strftime(updated_at, '{0}') as updated_at)"
)
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"

_LOAD = """
import os, sys, time
from datetime import UTC, datetime
from pathlib import Path
from pramaan.database.connect import connect
from pramaan.feeds.landing import Landing
from pramaan.feeds.load import load_waiting
with connect(os.environ["BENCH_DATABASE"]) as connection:
    started = time.perf_counter()
    found = list(load_waiting(connection, Landing(sys.argv[1]), now=lambda: datetime.now(UTC)))
    seconds = time.perf_counter() - started
assert [each.status for each in found] == ["loaded"], found
peak_kilobytes = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
print(found[0].rows, seconds, peak_kilobytes)
"""
_FLOOR = """
import os, sys, time
import duckdb, psycopg, pyarrow as pa, pyarrow.csv as pa_csv
columns = "user_id, batch_id, content_id, course_id, status, score, completed_at, updated_at"
database = os.environ["BENCH_DATABASE"]
with psycopg.connect(database) as connection, duckdb.connect(config={"threads": 1}) as reader:
    reader.execute("set timezone = 'UTC'; set enable_progress_bar = false")
    started = time.perf_counter()
    connection.execute("drop table if exists bench_floor")
    connection.execute(f"create table bench_floor as select {columns} from raw.progress with no data")
    rows = 0
    with connection.cursor() as cursor, cursor.copy("copy bench_floor from stdin (format csv)") as copy:
        for batch in reader.sql(f"select {columns} from '{sys.argv[1]}'").to_arrow_reader(50_000):
            sink = pa.BufferOutputStream()
            pa_csv.write_csv(batch, sink, pa_csv.WriteOptions(include_header=False))
            copy.write(sink.getvalue().to_pybytes())
            rows += batch.num_rows
    connection.commit()
    print(rows, time.perf_counter() - started, 0)
    connection.execute("drop table bench_floor")
"""


def write_progress(path: Path, *, rows: int) -> None:
    """Write the same rows on every machine, in no order of keys; the format is the name's ending.

    `rows` is not a multiple of 514229, or keys would repeat.
    """
    fmt = path.suffix.removeprefix(".")
    query = _ROWS.format(rows=rows)
    if fmt != "parquet":
        query = f"select {_AS_TEXT.format(_INSTANT)} from ({query})"  # noqa: S608 - constants and a number
    options = {"parquet": "format parquet", "csv": "format csv, header", "jsonl": "format json"}[fmt]
    with duckdb.connect() as writer:
        writer.execute("set timezone = 'UTC'; set enable_progress_bar = false")
        writer.execute(f"copy ({query}) to '{path}' ({options})")


def run(pipeline: Pipeline, *, rows: int = 2_000_000) -> list[Measurement]:
    """Measure every format beside the floor, on a pipeline never loaded into; it is left empty.

    Raises SettingsError, and changes nothing, when something was loaded.
    """
    with pipeline.connect() as connection:
        if connection.execute("select 1 from ops.loads limit 1").fetchone():
            raise SettingsError(
                "the benchmark of feeds empties tables: give it a home of its own, never loaded into"
            )
        parameters = connection.info.get_parameters() | {"password": connection.info.password}
    database = make_conninfo(**parameters)
    found = []
    with tempfile.TemporaryDirectory(prefix="pramaan-bench-") as folder:
        for fmt in FORMATS:
            path = Path(folder) / fmt / "progress" / f"progress.{fmt}"
            path.parent.mkdir(parents=True)
            write_progress(path, rows=rows)
            found += _measure(database, path, fmt=fmt)
            shutil.rmtree(path.parent.parent)
            with pipeline.connect() as connection:
                connection.execute(_EMPTY)
    return found


def _measure(database: str, path: Path, *, fmt: str) -> list[Measurement]:
    floor, _ = _timed(_FLOOR, str(path), database=database)
    rate, peak_bytes = _timed(_LOAD, f"file://{path.parent.parent}", database=database)
    ratio = rate / floor
    return [
        Measurement(f"load_progress_{fmt}", rate, "rows/s", f"at least {TARGET_ROWS_PER_SECOND:,}",
                    "from the landed file to committed, checked, merged and indexed raw rows"),
        Measurement(f"load_progress_{fmt}_floor", floor, "rows/s", None,
                    "peer: DuckDB reads the file, COPY into a table without index, check or merge"),
        Measurement(f"load_progress_{fmt}_ratio", ratio, "of the floor", "at least 0.35",
                    "the load's rate over the floor's"),
        Measurement(f"load_progress_{fmt}_peak_memory", peak_bytes / 10**6, "MB", "below 500",
                    "peak of the loading process"),
    ]  # fmt: skip


def _timed(program: str, argument: str, *, database: str) -> tuple[float, int]:
    """Rows a second and peak bytes of a program in a process of its own."""
    environment = os.environ | {"BENCH_DATABASE": database}
    command = [sys.executable, "-c", program, argument]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise HostError(f"the measured process failed: {done.stderr.strip()[-2000:]}")
    rows, seconds, peak_kilobytes = done.stdout.split()
    return int(rows) / float(seconds), int(peak_kilobytes) * 1024
