"""How values may be written: instants, numbers, lists, every type of Parquet; and what is none of them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from feed_files import NOON, World, file_bytes, parquet_of, sample_row

HEADER = b"user_id,course_id,batch_id,enrolled_at,active,updated_at\n"
LINE = b"u%d,c,b,2026-01-28T12:00:00Z,true,2026-01-31T12:00:00Z\n"


INSTANTS = [
    ("2026-01-31T12:00:00Z", NOON),
    ("2026-01-31 12:00:00Z", NOON),
    ("2026-01-31T12:00Z", NOON),
    ("2026-01-31T17:30:00+05:30", NOON),
    ("2026-01-31T17:30:00+0530", NOON),
    ("2026-01-31T17:00:00+05", NOON),
    ("2026-01-31T07:00:00-05:00", NOON),
    ("2026-01-31T12:00:00.5Z", NOON + timedelta(milliseconds=500)),
    ("2026-01-31T12:00:00.123456Z", NOON + timedelta(microseconds=123456)),
    ("2026-01-31T12:00:00.123456789Z", NOON + timedelta(microseconds=123456)),
    ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
]


@pytest.mark.parametrize(("text", "instant"), INSTANTS, ids=[text for text, _ in INSTANTS])
def test_spellings_of_an_instant(text: str, instant: datetime, world: World) -> None:
    world.drop("enrolments", (HEADER + LINE % 1).replace(b"2026-01-28T12:00:00Z", text.encode()))
    assert world.rejects() == []
    assert world.raw("enrolments")[0]["enrolled_at"] == instant


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31",
        "2026-01-31T12:00:00",
        "31/01/2026 12:00",
        "1769860800",
        "2026-02-30T12:00:00Z",
        "2026-01-31T25:00:00Z",
        "2026-01-31T12:00:00 IST",
        "0000-01-01T00:00:00Z",
        "infinity",
        "now",
        "2026-01-31T12:00:00Z ",
        "-2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00+99:00",
    ],
)
def test_what_is_no_instant(text: str, world: World) -> None:
    world.drop("enrolments", (HEADER + LINE % 1).replace(b"2026-01-28T12:00:00Z", text.encode()))
    assert world.rejects() == [(1, "not_an_instant")]


def progress_parquet(**changes: pa.Array | None) -> bytes:
    row = {name: pa.array([value]) for name, value in sample_row("progress").items()}
    return parquet_of(**{name: value for name, value in (row | changes).items() if value is not None})


NANOSECONDS = 1769860800_123456789
TYPES: list[tuple[str, pa.Array, object]] = [
    ("updated_at", pa.array([NANOSECONDS], pa.timestamp("ns", "UTC")), NOON + timedelta(microseconds=123456)),
    (
        "updated_at",
        pa.array([-1], pa.timestamp("ns", "UTC")),
        datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
    ),
    ("updated_at", pa.array([1769860800_000], pa.timestamp("ms", "Asia/Kolkata")), NOON),
    ("updated_at", pa.array([1769860800], pa.timestamp("s", "+05:30")), NOON),
    ("updated_at", pa.array(["2026-01-31T17:30:00+05:30"]), NOON),
    ("status", pa.array([2], pa.uint8()), 2),
    ("status", pa.array([2.0]), 2),
    ("status", pa.array([Decimal("2.00")]), 2),
    ("status", pa.array(["2"]), 2),
    ("score", pa.array([59.9], pa.float32()), 59.9),
    ("score", pa.array([0.5], pa.float16()), 0.5),
    ("score", pa.array([Decimal("59.90")]), 59.9),
    ("score", pa.array([Decimal("59.90")], pa.decimal256(70, 2)), 59.9),
    ("score", pa.array([60]), 60.0),
    ("score", pa.array(["5.99e1"]), 59.9),
    ("score", pa.nulls(1), None),
    ("score", pa.array([-0.0]), 0.0),
    ("user_id", pa.array(["u"]).dictionary_encode(), "u"),
    ("user_id", pa.array(["u"], pa.large_string()), "u"),
    ("user_id", pa.array(["u"], pa.string_view()), "u"),
    ("user_id", pa.array([b"u"]), "u"),
    ("user_id", pa.array([b"u"], pa.binary(1)), "u"),
    ("user_id", pa.array([123]), "123"),
]


@pytest.mark.parametrize(("name", "column", "value"), TYPES, ids=[f"{n}-{c.type}" for n, c, _ in TYPES])
def test_parquet_types_that_say_the_same(name: str, column: pa.Array, value: object, world: World) -> None:
    world.drop("progress", progress_parquet(**{name: column}), "p.parquet")
    assert world.quarantine() == []
    assert world.raw("progress") == [sample_row("progress") | {name: value}]


WRONG_TYPES: list[tuple[str, pa.Array, str]] = [
    ("updated_at", pa.array([1], pa.timestamp("us")), "not_an_instant"),
    ("updated_at", pa.array([1], pa.timestamp("ns")), "not_an_instant"),
    ("updated_at", pa.array([1769860800]), "not_an_instant"),
    ("updated_at", pa.array([date(2026, 1, 1)]), "not_an_instant"),
    ("updated_at", pa.array([-(2**63) + 1], pa.timestamp("us", "UTC")), "not_an_instant"),
    ("updated_at", pa.array([2**53], pa.timestamp("s", "UTC")), "instant_in_future"),
    ("updated_at", pa.nulls(1), "missing_value"),
    ("status", pa.array([True]), "not_an_integer"),
    ("status", pa.array([2.5]), "not_an_integer"),
    ("status", pa.array([2**64 - 1], pa.uint64()), "not_an_integer"),
    ("status", pa.array([7]), "unknown_value"),
    ("score", pa.array([float("nan")]), "not_a_number"),
    ("score", pa.array([float("inf")]), "not_a_number"),
    ("score", pa.array([True]), "not_a_number"),
    ("score", pa.array(["1_0"]), "not_a_number"),
    ("score", pa.array([" 10"]), "not_a_number"),
    ("score", pa.array([[1.0]]), "not_a_number"),
    ("score", pa.array([{"a": 1}]), "not_a_number"),
    ("score", pa.array([timedelta(1)]), "not_a_number"),
    ("score", pa.array([100.01]), "out_of_range"),
    ("user_id", pa.array([["u"]]), "not_text"),
    ("user_id", pa.array([{"a": "u"}]), "not_text"),
    ("user_id", pa.array([1.0]), "not_text"),
    ("user_id", pa.array([True]), "not_text"),
    ("user_id", pa.array([date(2026, 1, 1)]), "not_text"),
    ("user_id", pa.array(["a\0b"]), "nul_character"),
    ("user_id", pa.array([b"\xff\xfe"]), "invalid_utf8"),
]


@pytest.mark.parametrize(
    ("name", "column", "rule"), WRONG_TYPES, ids=[f"{n}-{c.type}-{r}" for n, c, r in WRONG_TYPES]
)
def test_parquet_types_that_do_not(name: str, column: pa.Array, rule: str, world: World) -> None:
    world.drop("progress", progress_parquet(**{name: column}), "p.parquet")
    assert world.rejects() == [(1, rule)]
    (reject,) = world.quarantine()
    assert reject.raw_row is not None
    assert f'"{name}": ' in reject.raw_row


def test_unknown_parquet_columns_of_any_type_do_no_harm(world: World) -> None:
    odd = {
        "nested": pa.array([[{"a": [1, None]}]]),
        "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32())),
        "long": pa.array([Decimal(10) ** 60], pa.decimal256(70, 0)),
        "half": pa.array([0.5], pa.float16()),
        "ages": pa.array([2**52], pa.timestamp("s", "UTC")),
        "none": pa.nulls(1),
    }
    world.drop("progress", progress_parquet(**odd), "p.parquet")
    world.drop("progress", progress_parquet(**odd, status=pa.array([9])), "q.parquet")
    assert [row["status"] for row in world.raw("progress")] == [2]
    assert world.rejects() == [(1, "unknown_value")]
    assert world.unknown_columns() == [sorted(odd)] * 2


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (b'["a","b"]', ["a", "b"]),
        (b'"a;b"', ["a", "b"]),
        (b'"a; b ;"', ["a", "b"]),
        (b"[]", []),
        (b"null", []),
        (b'""', []),
        (b'["q\\"\\\\{,}"," x "]', ['q"\\{,}', "x"]),
        (b'"[\\"z\\"]"', ["z"]),
        (b"[12]", ["12"]),
        (b'["NULL"]', ["NULL"]),
    ],
)
def test_spellings_of_a_list(given: bytes, kept: list[str], world: World) -> None:
    line = file_bytes("batches", [sample_row("batches")], "jsonl").replace(b'["m1", "m2"]', given)
    world.drop("batches", line, "b.jsonl")
    assert (world.rejects(), world.raw("batches")[0]["mentor_ids"]) == ([], kept)


@pytest.mark.parametrize("given", [b'{"a": 1}', b'[{"a": 1}]', b"[[1]]", b'"[a"'])
def test_what_is_no_list(given: bytes, world: World) -> None:
    line = file_bytes("batches", [sample_row("batches")], "jsonl").replace(b'["m1", "m2"]', given)
    world.drop("batches", line, "b.jsonl")
    assert world.rejects() == [(1, "not_a_list")]


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.string()), pa.large_list(pa.string()), pa.list_(pa.string(), 2)]
)
def test_lists_in_parquet(kind: pa.DataType, world: World) -> None:
    row = {name: pa.array([value]) for name, value in sample_row("batches").items()}
    world.drop("batches", parquet_of(**row | {"mentor_ids": pa.array([["a", "b"]], kind)}), "b.parquet")
    assert (world.rejects(), world.raw("batches")[0]["mentor_ids"]) == ([], ["a", "b"])


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("TRUE", True)])
def test_truth_values_as_text(text: str, value: bool, world: World) -> None:
    world.drop("enrolments", (HEADER + LINE % 1).replace(b"true", text.encode()))
    row = {name: pa.array([each]) for name, each in sample_row("enrolments", 2).items()}
    world.drop("enrolments", parquet_of(**row | {"active": pa.array([text])}), "e.parquet")
    assert [row["active"] for row in world.raw("enrolments")] == [value, value]


def test_telemetry_is_kept_whole_and_its_envelope_apart(world: World) -> None:
    event = (
        b'{"eid":"INTERACT","ets":1769860800123,"ver":"3.0","mid":"m1","actor":{"id":"u1","type":"User"},'
        b'"context":{"pdata":{"id":"prod.portal"},"env":"x"},"object":{"id":"c1","type":"Certificate"},"edata":{"a":[1,2]}}\n'
    )
    again = event.replace(b"INTERACT", b"AUDIT").replace(b"0123", b"0122")
    later = (
        event.replace(b"INTERACT", b"IMPRESSION")
        .replace(b"0123", b"0124.0")
        .replace(b'"object":{"id":"c1",', b'"object":{')
    )
    world.put("telemetry", "1.jsonl", event)
    world.put("telemetry", "2.jsonl", again + later.replace(b"m1", b"m2"))
    world.load()
    rows = world.raw("telemetry")
    assert [
        (r["mid"], r["eid"], r["ets"], r["actor_id"], r["pdata_id"], r["object_id"], r["object_type"])
        for r in rows
    ] == [
        ("m1", "INTERACT", NOON + timedelta(milliseconds=123), "u1", "prod.portal", "c1", "Certificate"),
        ("m2", "IMPRESSION", NOON + timedelta(milliseconds=124), "u1", "prod.portal", None, "Certificate"),
    ]
    assert rows[0]["event"]["edata"] == {"a": [1, 2]}
    assert (world.changed_keys(), world.unknown_columns()) == (set(), [[], []])


def test_telemetry_comes_as_json_lines_only(world: World) -> None:
    assert world.drop("telemetry", b"mid,eid,ets\na,b,1\n").status == "quarantined"
    assert world.rejects() == [(None, "unknown_format")]
