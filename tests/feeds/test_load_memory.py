"""A load's memory does not depend on the file's size."""

import gzip
import io
import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feed_files import World

LOADER = Path(__file__).parent / "loader.py"
LIMIT_BYTES = 500 * 10**6
HEADER = "user_id,course_id,batch_id,content_id,status,score,completed_at,updated_at\n"


def progress_lines(first: int, count: int) -> str:
    """A few learners, whose rows merge into each other: the database stays small, however long the file."""
    return "".join(
        f"user-{n % 5000:036d},do_{n % 50:021d},{n % 50:019d},do_{n % 20:021d},2,{n % 101},"
        f"2026-01-{n % 28 + 1:02d}T10:00:00Z,2026-01-{n % 28 + 1:02d}T10:00:00Z\n"
        for n in range(first, first + count)
    )


def write_csv(path: Path, *, size_bytes: int) -> None:
    path.parent.mkdir(parents=True)
    with path.open("w") as stream:
        stream.write(HEADER)
        for first in itertools.count(0, 100_000):
            stream.write(progress_lines(first, 100_000))
            if stream.tell() >= size_bytes:
                return


def batches(count: int) -> Iterator[pa.RecordBatch]:
    for first in range(0, count, 100_000):
        numbers = range(first, first + 100_000)
        yield pa.record_batch(
            {
                "user_id": [f"user-{n:036d}"[:-3] for n in numbers],
                "course_id": ["do_1"] * 100_000,
                "batch_id": [f"{n % 50:019d}" for n in numbers],
                "content_id": [f"do_{n % 20:021d}" for n in numbers],
                "status": [1] * 100_000,
                "score": [float(n % 101) for n in numbers],
                "updated_at": ["2026-01-31T10:00:00Z"] * 100_000,
                "note": [f"{n * 2654435761 % 2**64:x}" * 8 for n in numbers],
            }
        )


def write_parquet_of_one_group(path: Path, *, rows: int) -> None:
    path.parent.mkdir(parents=True)
    table = pa.Table.from_batches(list(batches(rows)))
    pq.write_table(table, path, row_group_size=rows, use_dictionary=False)
    assert pq.ParquetFile(path).num_row_groups == 1


def peak_bytes(world: World, *, status: str = "loaded") -> int:
    command = [sys.executable, str(LOADER), world.url, str(world.folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert f"\n{status} " in done.stdout
    return int(done.stdout.rpartition("peak_rss_bytes ")[2])


@pytest.mark.slow
def test_a_file_of_100_megabytes_takes_bounded_memory(world: World) -> None:
    write_csv(world.folder / "progress/big.csv", size_bytes=100 * 10**6)
    assert peak_bytes(world) < LIMIT_BYTES


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_file_of_two_gigabytes_takes_bounded_memory(world: World) -> None:
    write_csv(world.folder / "progress/big.csv", size_bytes=2 * 10**9)
    assert peak_bytes(world) < LIMIT_BYTES


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_one_giant_row_group_takes_bounded_memory(world: World) -> None:
    write_parquet_of_one_group(world.folder / "progress/big.parquet", rows=4_000_000)
    assert peak_bytes(world) < LIMIT_BYTES


@pytest.mark.long
def test_a_file_of_nothing_but_tiny_broken_rows_takes_bounded_memory(world: World) -> None:
    path = world.put("progress", "broken.csv", b"")
    path.write_bytes(HEADER.encode() + b"x\n" * 5_000_000)
    assert peak_bytes(world, status="quarantined") < LIMIT_BYTES


def wide_csv() -> bytes:
    return gzip.compress(b",".join([b"c"] * 500_000) + b"\n" + b"," * 499_999 + b"\n")


def wide_parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table([pa.array(["x"])] * 5_000, names=[f"c{n}" for n in range(5_000)]), sink)
    return sink.getvalue()


def a_million_times_a_megabyte() -> bytes:
    one = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000_000, pa.int32()), pa.array(["x" * 1_000_000]))
    sink = io.BytesIO()
    columns = dict.fromkeys(("user_id", "course_id", "batch_id", "content_id", "status", "updated_at"), one)
    pq.write_table(pa.table(columns), sink, compression="zstd", dictionary_pagesize_limit=1 << 30)
    return sink.getvalue()


def a_reject_a_line() -> bytes:
    return gzip.compress(HEADER.encode() + b"x\n" * 2_100_000)


def an_endless_line() -> bytes:
    return gzip.compress(HEADER.encode() + b"x" * 300_000_000)


SMALL_FILES = {
    "wide.csv.gz": (wide_csv, "too_many_columns"),
    "wide.parquet": (wide_parquet, "too_many_columns"),
    "dictionary.parquet": (a_million_times_a_megabyte, "unpacks_too_much"),
    "rejects.csv.gz": (a_reject_a_line, "mostly_broken"),
    "line.csv.gz": (an_endless_line, "unpacks_too_much"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL_FILES)
def test_a_small_file_made_to_become_large_is_quarantined_in_bounded_memory(name: str, world: World) -> None:
    made, rule = SMALL_FILES[name]
    world.put("progress", name, made())
    assert peak_bytes(world, status="quarantined") < LIMIT_BYTES
    assert (None, rule) in world.rejects()
    assert len(world.rejects()) <= 101
