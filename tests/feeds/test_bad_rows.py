"""A row that breaks the contract goes to quarantine with its number and reason; the others load."""

import json
from datetime import timedelta

import pytest
from feed_files import LOADED_AT, World, as_text, file_bytes, sample_row

HEADER = b"user_id,course_id,batch_id,enrolled_at,active,updated_at\n"
LINE = b"u%d,c,b,2026-01-28T12:00:00Z,true,2026-01-31T12:00:00Z\n"
GOOD = json.dumps(sample_row("enrolments"), default=as_text).encode()


def lines(first: int, count: int) -> bytes:
    return b"".join(LINE % number for number in range(first, first + count))


def test_rows_of_the_wrong_width_are_numbered_across_chunks(world: World) -> None:
    broken = {1, 2, 3, 39_999, 40_000, 76_000, 80_001, 120_000}
    content = HEADER + b"".join(b"x%d,y\n" % n if n in broken else LINE % n for n in range(1, 120_001))
    loaded = world.drop("enrolments", content)
    assert (loaded.rows, loaded.rows_quarantined) == (120_000 - len(broken), len(broken))
    assert world.rejects() == [(n, "wrong_column_count") for n in sorted(broken)]
    assert world.quarantine()[0].message == "the row has 2 columns, the header 6"
    assert [each.raw_row for each in world.quarantine()] == [f"x{n},y" for n in sorted(broken)]


def test_row_numbers_stay_right_after_rows_of_the_wrong_width(world: World) -> None:
    odd = set(range(500, 110_000, 500))
    typed = set(range(777, 110_000, 777)) - odd
    content = HEADER + b"".join(
        b"only\n" if n in odd else (LINE % n).replace(b"true", b"maybe") if n in typed else LINE % n
        for n in range(1, 110_001)
    )
    world.drop("enrolments", content)
    wide, other = [], []
    for number, rule in world.rejects():
        (wide if rule == "wrong_column_count" else other).append(number)
    assert (wide, other) == (sorted(odd), sorted(typed))


def test_a_file_of_nothing_but_broken_rows(world: World) -> None:
    loaded = world.drop("enrolments", HEADER + b"x\n" * 60_000)
    assert (loaded.status, loaded.rows, world.raw("enrolments")) == ("quarantined", 0, [])
    whole, *examples = sorted(world.rejects(), key=lambda each: each[0] or 0)
    assert whole == (None, "mostly_broken")
    assert examples == [(n, "wrong_column_count") for n in range(1, 101)]


def test_many_broken_rows_among_more_good_ones_cost_themselves_only(world: World) -> None:
    content = HEADER + b"".join(b"x\n" if n % 2 else LINE % n for n in range(24_001))
    loaded = world.drop("enrolments", content)
    assert (loaded.status, loaded.rows, loaded.rows_quarantined) == ("loaded", 12_001, 12_000)


def test_fewer_broken_rows_than_ten_thousand_cost_themselves_only(world: World) -> None:
    loaded = world.drop("enrolments", HEADER + b"x\n" * 9_999)
    assert (loaded.status, loaded.rows, loaded.rows_quarantined) == ("loaded", 0, 9_999)


def test_rows_broken_by_their_values_are_counted_too(world: World) -> None:
    loaded = world.drop("enrolments", HEADER + lines(1, 12_000).replace(b"true", b"yes"))
    assert (loaded.status, world.raw("enrolments")) == ("quarantined", [])
    whole, *examples = sorted(world.rejects(), key=lambda each: each[0] or 0)
    assert (whole, len(examples)) == ((None, "mostly_broken"), 100)
    assert "mend and send it again" in next(q.message for q in world.quarantine() if q.row_number is None)


def test_a_quote_left_open_in_a_small_file_is_told(world: World) -> None:
    world.drop("enrolments", HEADER + LINE % 1 + b'"' + lines(2, 3))
    (reject,) = world.quarantine()
    assert (reject.row_number, reject.rule) == (2, "broken_quoting")
    assert reject.raw_row == '"' + (LINE % 2).decode().strip()
    assert [row["user_id"] for row in world.raw("enrolments")] == ["u1", "u3", "u4"]


VALUES: list[tuple[str, str, object, str]] = [
    ("progress", "score", "many", "not_a_number"),
    ("progress", "score", 100.5, "out_of_range"),
    ("progress", "score", -1, "out_of_range"),
    ("progress", "status", "two", "not_an_integer"),
    ("progress", "status", 3, "unknown_value"),
    ("progress", "completed_at", None, "missing_value"),
    ("progress", "user_id", None, "missing_value"),
    ("progress", "content_id", "", "missing_value"),
    ("progress", "updated_at", LOADED_AT + timedelta(hours=25), "instant_in_future"),
    ("progress", "completed_at", LOADED_AT + timedelta(hours=25), "instant_in_future"),
    ("progress", "user_id", "u\0", "nul_character"),
    ("progress", "user_id", "u" * 513, "too_long"),
    ("users", "name", "n" * 70_000, "too_long"),
    ("courses", "status", "live", "unknown_value"),
    ("courses", "leaf_count", 0, "out_of_range"),
    ("courses", "leaf_count", 2**31, "out_of_range"),
    ("courses", "leaf_count", 1.5, "not_an_integer"),
    ("batches", "enrolment_type", "Open", "unknown_value"),
    ("batches", "start_date", "31/01/2026", "not_a_date"),
    ("batches", "start_date", "2026-02-30", "not_a_date"),
    ("enrolments", "active", "yes", "not_a_boolean"),
    ("enrolments", "active", 1, "not_a_boolean"),
]


@pytest.mark.parametrize("fmt", ["csv", "jsonl"])
def test_a_bad_value_costs_its_row_only(fmt: str, world: World) -> None:
    for number, (feed, column, value, _) in enumerate(VALUES):
        rows = [sample_row(feed, 1), sample_row(feed, 2, **{column: value}), sample_row(feed, 3)]
        loaded = world.drop(feed, file_bytes(feed, rows, fmt), f"{number:02}.{fmt}")
        assert (loaded.status, loaded.rows, loaded.rows_quarantined) == ("loaded", 2, 1), (column, value)
    found = world.quarantine()
    assert [(each.row_number, each.rule) for each in found] == [(2, rule) for _, _, _, rule in VALUES]
    for each, (_, column, _, _) in zip(found, VALUES, strict=True):
        assert each.message.startswith(f"{column} is") or each.message.startswith(f"{column} holds")
        assert each.raw_row is not None
        assert f'"{column}"' in each.raw_row
    assert {len(world.raw(feed)) for feed in ("users", "courses", "batches", "enrolments", "progress")} == {2}


@pytest.mark.parametrize("fmt", ["parquet", "csv", "jsonl"])
def test_the_clock_may_be_a_day_ahead_and_no_more(fmt: str, world: World) -> None:
    ahead = [LOADED_AT + timedelta(hours=hours) for hours in (23, 24, 25)]
    rows = [sample_row("progress", n, updated_at=at) for n, at in enumerate(ahead)]
    world.drop("progress", file_bytes("progress", rows, fmt), f"f.{fmt}")
    assert world.rejects() == [(3, "instant_in_future")]
    assert "24 hours" in world.quarantine()[0].message


JSON_LINES: list[tuple[bytes, str]] = [
    (b"nonsense", "invalid_json"),
    (b"[1]", "invalid_json"),
    (b'"text"', "invalid_json"),
    (b"null", "invalid_json"),
    (GOOD + b" x", "invalid_json"),
    (GOOD[:-5], "invalid_json"),
    (GOOD[:-1] + b",}", "invalid_json"),
    (GOOD.replace(b'"c"', b"NaN"), "invalid_json"),
    (GOOD.replace(b'"c"', b"-Infinity"), "invalid_json"),
    (GOOD.replace(b'"c"', b'"\\ud800"'), "invalid_json"),
    (GOOD.replace(b'"c"', b'"a\tb"'), "invalid_json"),
    (GOOD.replace(b'"c"', b'"a\x00b"'), "invalid_json"),
    (GOOD.replace(b'"c"', b'"a\\u0000b"'), "nul_character"),
    (GOOD.replace(b'"c"', b'"\xff"'), "invalid_utf8"),
    (GOOD.replace(b'"c"', b'"\xed\xa0\x80"'), "invalid_utf8"),
    (GOOD[:-1] + b',"user_id":"other"}', "repeated_key"),
    (GOOD.replace(b'"c"', b"true"), "not_text"),
    (GOOD.replace(b'"c"', b"1.50"), "not_text"),
    (GOOD.replace(b'"c"', b"1e21"), "not_text"),
    (GOOD.replace(b'"c"', b'{"a":1}'), "not_text"),
    (GOOD.replace(b'"c"', b"[]"), "not_text"),
    (GOOD.replace(b'"user_id"', b'"User_Id"'), "missing_value"),
    (GOOD.replace(b'"c"', b'"' + b"x" * 10_000_000 + b'"'), "too_long"),
    (GOOD[:-1] + b',"x":' + b"[" * 600_000 + b"]" * 600_000 + b"}", "too_long"),
]


def test_lines_that_are_no_row(world: World) -> None:
    mixed = b"".join(
        line + b"\n" + GOOD.replace(b'"u1"', b'"v%d"' % n) + b"\n" for n, (line, _) in enumerate(JSON_LINES)
    )
    loaded = world.drop("enrolments", b"\n" + mixed, "f.jsonl")
    assert (loaded.rows, loaded.rows_quarantined) == (len(JSON_LINES), len(JSON_LINES))
    assert world.rejects() == [(2 * n + 2, rule) for n, (_, rule) in enumerate(JSON_LINES)]
    assert world.quarantine()[-2].message == "the line has 10000144 bytes; a row has at most 1048576"


def test_odd_lines_that_are_rows_all_the_same(world: World) -> None:
    odd = [
        b"  " + GOOD + b" \r",
        GOOD.replace(b'"u1"', b'"{x}"'),
        GOOD.replace(b'"u1"', b'"true"'),
        GOOD.replace(b'"u1"', b'"1.50"'),
        GOOD.replace(b'"u1"', b'"NaN,}"'),
        GOOD.replace(b'"u1"', b"12345678901234567890123"),
        GOOD[:-1] + b',"x":"a,} [nan, inf] ,]"}',
        GOOD[:-1] + b',"x":' + b"[" * 1000 + b"]" * 1000 + b"}",
    ]
    loaded = world.drop("enrolments", b"\xef\xbb\xbf" + b"\n".join(odd), "f.jsonl")
    assert (loaded.rows, world.quarantine()) == (len(odd), [])
    ids = {row["user_id"] for row in world.raw("enrolments")}
    assert ids == {"u1", "{x}", "true", "1.50", "NaN,}", "12345678901234567890123"}


def test_bytes_that_are_no_utf8_cost_their_row_only(world: World) -> None:
    content = (
        HEADER
        + LINE % 1
        + b"u\xff2,c,b,2026-01-28T12:00:00Z,true,2026-01-31T12:00:00Z\n"
        + b"\xff,x\n"
        + LINE % 3
    )
    world.drop("enrolments", content)
    first, second = world.quarantine()
    assert (first.row_number, first.rule) == (2, "invalid_utf8")
    assert first.raw_row is not None
    assert first.raw_row.startswith("u\\xff2,c,b,2026")
    assert (second.row_number, second.rule) == (3, "invalid_utf8")
    assert [row["user_id"] for row in world.raw("enrolments")] == ["u1", "u3"]


@pytest.mark.parametrize("size", [1_100_000, 4_200_000, 10_000_000])
@pytest.mark.parametrize("quote", [b"", b'"'])
def test_a_value_of_megabytes_costs_its_row_only(size: int, quote: bytes, world: World) -> None:
    long = quote + b"u" * size + quote + (LINE % 0)[2:]
    content = HEADER + lines(1, 30_000) + long + lines(30_001, 50_000)
    loaded = world.drop("enrolments", content)
    assert (loaded.rows, world.rejects()) == (80_000, [(30_001, "too_long")])
    (reject,) = world.quarantine()
    assert f"the line has {len(long) - 1} bytes" in reject.message
    assert len(reject.raw_row or "") < 70_000


def test_a_long_line_inside_a_quoted_value_never_loads_altered(world: World) -> None:
    long = b'"u\n' + b"x" * 1_500_000 + b'\n"' + (LINE % 0)[2:]
    loaded = world.drop("enrolments", HEADER + LINE % 1 + long + LINE % 3)
    assert loaded.rows == 2
    assert world.rejects() == [(2, "broken_quoting"), (3, "too_long"), (4, "broken_quoting")]


def test_values_that_postgres_cannot_take_cost_their_row_only(world: World) -> None:
    event = b'{"mid":"m%d","eid":"X","ets":1769860800123,"edata":%s}\n'
    odd = {3: b"1e400000", 70: b"[" * 20_000 + b"]" * 20_000, 71: b'"a\\u0000b"', 90: b'"a\\\\u0000b"'}
    content = b"".join(event % (n, odd.get(n, b"{}")) for n in range(1, 101))
    loaded = world.drop("telemetry", content, "t.jsonl")
    assert world.rejects() == [(70, "too_deep"), (71, "nul_character")]
    assert (loaded.rows, len(world.raw("telemetry"))) == (98, 98)
