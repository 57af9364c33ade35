"""Ids that a spreadsheet ruined are refused in every format; ids that only look a little like it are not."""

import pytest
from feed_files import World, file_bytes, parquet_of, sample_row

from pramaan.feeds.spec import FEEDS

RUINED = (
    "1.3032E+17", "1.3032e+17", "1.3032E17", "1E+17", "-1.5E-7", "1.E+5", "1001.0", "1001.00", "1,001",
    "1,30,320", "130,320,001", "1,001.00", "#REF!", "#N/A", "#NAME?", "########",
)  # fmt: skip
GOOD = (
    "1001", "0130320000000000001", "130320000000000001", "do_31307361357558579213961", "12e4567", "1E5",
    "1e21",
    "9f1c12e4-5670-4e12-8e34-0123456789ab", "1.50", "1.2.3", "v1.0", "1,2", "a1,001", "1,001a", "-", "1-2",
    "00:1.0", "1001.0x",
)  # fmt: skip
IDS = [
    (feed, column.name)
    for feed in ("users", "courses", "batches", "enrolments", "progress")
    for column in FEEDS[feed].columns
    if column.name.endswith("_id")
]


@pytest.mark.parametrize("fmt", ["csv", "jsonl", "parquet"])
def test_a_ruined_id_costs_its_row_and_says_where_it_comes_from(fmt: str, world: World) -> None:
    rows = [sample_row("enrolments", n, batch_id=text) for n, text in enumerate((*RUINED, *GOOD))]
    loaded = world.drop("enrolments", file_bytes("enrolments", rows, fmt), f"e.{fmt}")
    assert (loaded.rows, loaded.rows_quarantined) == (len(GOOD), len(RUINED))
    assert world.rejects() == [(n, "spreadsheet_number") for n in range(1, len(RUINED) + 1)]
    assert {row["batch_id"] for row in world.raw("enrolments")} == set(GOOD)
    message = world.quarantine()[0].message
    assert message.startswith("batch_id is a number as a spreadsheet writes it")
    assert "export the ids again from their source, as text" in message


def test_every_id_of_every_feed_is_looked_at(world: World) -> None:
    assert len(IDS) == 16
    for number, (feed, column) in enumerate(IDS):
        rows = [sample_row(feed, 1, **{column: "1.3032E+17"})]
        world.drop(feed, file_bytes(feed, rows, "csv"), f"{number}.csv")
    assert world.rejects() == [(1, "spreadsheet_number")] * len(IDS)
    assert [each.message.partition(" ")[0] for each in world.quarantine()] == [name for _, name in IDS]


@pytest.mark.parametrize("fmt", ["csv", "jsonl", "parquet"])
def test_an_id_of_a_list_is_looked_at(fmt: str, world: World) -> None:
    lists = [["m1", "1.3032E+17"], ["1001.0"], ["m1", "m2"], ["x1001.0", 'a"1001.0"b']]
    if fmt == "csv":
        lists.append(["1001", "12e4567"])
    rows = [sample_row("batches", n, mentor_ids=ids) for n, ids in enumerate(lists)]
    world.drop("batches", file_bytes("batches", rows, fmt), f"b.{fmt}")
    assert world.rejects() == [(1, "spreadsheet_number"), (2, "spreadsheet_number")]


def test_numbers_that_are_no_text_are_refused_as_before(world: World) -> None:
    row = {name: [value] for name, value in sample_row("enrolments").items()}
    world.drop("enrolments", parquet_of(**row | {"batch_id": [1.3032e17]}), "e.parquet")  # type: ignore[arg-type]
    line = file_bytes("enrolments", [sample_row("enrolments")], "jsonl").replace(b'"b"', b"1.3032e+17")
    world.drop("enrolments", line, "e.jsonl")
    assert world.rejects() == [(1, "not_text"), (1, "not_text")]
