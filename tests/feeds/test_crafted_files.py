"""Small files that somebody crafted, or a program wrote oddly, cost their rows or themselves, and no more."""

import json

import pytest
from feed_files import World

from pramaan.feeds.rules import DEEPEST_JSON, json_depth

HEADER = b"user_id,name,tenant_id,updated_at\n"


def line(number: int, name: bytes = b"Asha Rao") -> bytes:
    return b"u%d,%s,t,2026-01-01T00:00:00Z\n" % (number, name)


def test_no_line_passes_for_the_mark_of_another(world: World) -> None:
    forged = [b"\x00set aside: " + b"9" * 5_000 + b"\n", b"\x00set aside: 1\n", b'a"b\n']
    loaded = world.drop("users", HEADER + line(1) + b"".join(forged) + line(2))
    assert (loaded.status, loaded.rows) == ("loaded", 2)
    assert [number for number, _ in world.rejects()] == [2, 3, 4]
    assert {row.row_number: row.rule for row in world.quarantine()}[4] == "broken_quoting"


def test_the_columns_behind_a_line_end_in_a_header_are_counted_too(world: World) -> None:
    header = HEADER.strip() + b',"x\nx"' + b"," * 100_000 + b"\n"
    assert world.drop("users", header).status == "quarantined"
    assert world.rejects() == [(None, "too_many_columns")]


def test_lines_that_end_in_cr_are_cut_there_whatever_stands_in_a_value(world: World) -> None:
    rows = [line(n, b'"Asha\nRao"' if n == 7 else b"Asha Rao") for n in range(20)]
    content = HEADER.replace(b"\n", b"\r") + b"".join(row[:-1] + b"\r" for row in rows)
    loaded = world.drop("users", content)
    assert (loaded.status, loaded.rows) == ("loaded", 20)


def test_one_backslash_before_a_quote_is_one_broken_row(world: World) -> None:
    names = [b'"Ram\\esh %d"' % n for n in range(30)]
    content = b"".join(line(n, name) for n, name in enumerate(names)) + line(99, b'"a\\"b"')
    loaded = world.drop("users", HEADER + content)
    assert (loaded.status, loaded.rows, loaded.rows_quarantined) == ("loaded", 30, 1)
    assert world.rejects() == [(31, "broken_quoting")]


@pytest.mark.parametrize(("levels", "rule"), [(90, None), (150, "too_deep"), (16_000, "too_deep")])
def test_an_event_that_no_statement_could_read_is_refused(
    levels: int, rule: str | None, world: World
) -> None:
    nested = "[" * levels + "]" * levels
    event = json.dumps({"mid": "m1", "eid": "INTERACT", "ets": 1_700_000_000_000, "edata": "?"})
    world.drop("telemetry", event.replace('"?"', f'{{"z": {nested}}}').encode() + b"\n", "1.jsonl")
    assert world.rejects() == ([(1, rule)] if rule else [])


def test_an_event_with_many_brackets_is_not_deep(world: World) -> None:
    many = {
        "mid": "m1",
        "eid": "INTERACT",
        "ets": 1_700_000_000_000,
        "edata": {"z": [[n] for n in range(500)]},
    }
    assert json_depth(json.dumps(many)) == 4 < DEEPEST_JSON
    assert json_depth(json.dumps({"text": '[[[[[[\\"[['})) == 1
    assert world.drop("telemetry", json.dumps(many).encode() + b"\n", "1.jsonl").rows == 1
