"""CSV by RFC 4180, strictly: a broken row costs itself only, and every line of a file is accounted for."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from feed_files import World
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pramaan.errors import FeedError
from pramaan.feeds.chunks import Reject
from pramaan.feeds.csv_lines import Lines
from pramaan.feeds.sources import open_source
from pramaan.feeds.spec import FEEDS

HEADER = b"user_id,name,tenant_id,language,updated_at\n"
AT = b"2026-01-31T12:00:00Z"
COLUMNS, NAME, LONGEST = 5, 1, 1_000


def line(number: int, name: bytes = b"Asha Rao") -> bytes:
    return b"u%d,%s,t,en,%s\n" % (number, name, AT)


def parsed(body: bytes, start: int) -> tuple[list[tuple[int, int]], int] | None:
    """A plain reading of RFC 4180, byte by byte: where the values of one row lie, and its end."""
    cells, at = [], start
    while True:
        end = at
        if body[at : at + 1] == b'"':
            end += 1
            while end < len(body) and (body[end : end + 1] != b'"' or body[end + 1 : end + 2] == b'"'):
                end += 2 if body[end : end + 1] == b'"' else 1
            if end >= len(body):
                return None
            end += 1
        else:
            while body[end : end + 1] not in (b'"', b",", b"\r", b"\n"):
                end += 1
        cells.append((at, end))
        if body[end : end + 1] in (b"\r", b"\n"):
            return cells, end
        if body[end : end + 1] != b",":
            return None
        at = end + 1


def is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def swallows(body: bytes, lines: list[tuple[int, int]], cells: list[tuple[int, int]]) -> bool:
    lined = [(a, b) for a, b in cells if re.search(rb"[\r\n]", body[a:b])]
    return any(
        body.count(b",", a, b) == COLUMNS - 1
        and any(body.count(b",", max(a, c), min(b, d)) for c, d in lined if max(a, c) < min(b, d))
        for a, b in lines
    )


def reference(body: bytes) -> tuple[list[tuple[int, str | None, str | None]], list[tuple[int, str]], int]:
    """What a reader should make of the lines after the header: rows, rejects, and lines inside of values."""
    body += b"\n"
    lines = [(m.start(), m.end()) for m in re.finditer(rb"[^\r\n]+", body)]
    rows: list[tuple[int, str | None, str | None]] = []
    rejects: list[tuple[int, str]] = []
    inside = number = position = 0
    while position < len(lines):
        start, stop = lines[position]
        number, position = number + 1, position + 1
        if not is_utf8(body[start:stop]):
            rejects.append((number, "invalid_utf8"))
            continue
        found = parsed(body, start)
        if found is None:
            rejects.append((number, "broken_quoting"))
            continue
        cells, end = found
        within = [each for each in lines if start <= each[0] < end]
        lined = [n for n, (a, b) in enumerate(cells) if re.search(rb"[\r\n]", body[a:b])]
        texts = [body[a:b] for a, b in cells]
        if lined:
            readable = all(is_utf8(body[a:b]) for a, b in within) and b"\0" not in body[start:end]
            long = any(len(texts[n]) > LONGEST for n in lined)
            if len(cells) != COLUMNS or long or not readable or swallows(body, within, cells):
                rejects.append((number, "broken_quoting"))
                continue
            if lined != [NAME]:
                rejects.append((number, "line_end_in_value"))
                continue
        inside += len(within) - 1
        position += len(within) - 1
        if len(cells) != COLUMNS:
            rejects.append((number, "wrong_column_count"))
            continue
        values = [(t[1:-1].replace(b'""', b'"') if t[:1] == b'"' else t).decode() or None for t in texts]
        rows.append((number, values[0], values[NAME]))
    return rows, rejects, inside


def read(path: Path) -> tuple[list[tuple[int, str | None, str | None]], list[tuple[int, str]]]:
    """What the product's reader makes of a file; fails where its lines do not add up."""
    source = open_source(path, spec=FEEDS["users"], fmt="csv")
    rows, rejects = [], []
    for chunk in source.chunks:
        rows += [(row["_pramaan_row"], row["user_id"], row["name"]) for row in chunk.rows.to_pylist()]
        rejects += [(each.row_number or 0, each.rule) for each in chunk.rejects]
    source.account(len(rows) + len(rejects))
    source.close()
    return rows, sorted(rejects)


GOOD_NAMES = st.sampled_from(
    [b"Asha", b"", b'""', b'"Rao, Asha"', b'"two\nlines"', b'"two\r\nlines"', b'"say ""x"""', "आशा".encode()]
)
DAMAGE = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.sampled_from([b'"', b'""', b"\n", b"\r", b",", b'",', b',"', b"\xff", b"\0", b"x" * 1200, b""]),
        st.integers(0, 3),
    ),
    max_size=8,
)


def damaged(names: list[bytes], damage: list[tuple[float, bytes, int]]) -> bytes:
    """A valid file in which bytes were put at random, each in place of some others."""
    body = b"".join(line(n, name) for n, name in enumerate(names))
    for place, put, instead_of in damage:
        at = int(place * len(body))
        body = body[:at] + put + body[at + instead_of :]
    return body


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(GOOD_NAMES, min_size=1, max_size=12), damage=DAMAGE)
def test_a_damaged_file_is_read_as_a_plain_reader_reads_it(
    tmp_path: Path, names: list[bytes], damage: list[tuple[float, bytes, int]]
) -> None:
    body = damaged(names, damage)
    path = tmp_path / "users.csv"
    path.write_bytes(HEADER + body)
    rows, rejects, inside = reference(body)
    assert read(path) == (rows, rejects)
    assert len(re.findall(rb"[^\r\n]+", body)) == len(rows) + len(rejects) + inside


class Trickle(io.BytesIO):
    """Gives its header at once and the rest a few bytes at a time, as if blocks ended everywhere."""

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        return super().read(min(size, len(HEADER) + 1 if self.tell() == 0 else 7))


def given_to_pyarrow(stream: io.BytesIO) -> list[bytes | Reject]:
    """Lines that are not empty, and what the marks among them stand for."""
    lines = Lines(stream)
    lines.start(FEEDS["users"])
    found = re.findall(rb"[^\n]+", lines.read())
    return [lines.set_aside(text.decode()) or text for text in found]


@settings(max_examples=200, deadline=None)
@given(names=st.lists(GOOD_NAMES, min_size=1, max_size=12), damage=DAMAGE)
def test_where_blocks_end_makes_no_difference(
    names: list[bytes], damage: list[tuple[float, bytes, int]]
) -> None:
    body = damaged(names, damage).replace(b"\r", b"")
    whole = given_to_pyarrow(io.BytesIO(HEADER + body))
    assert given_to_pyarrow(Trickle(HEADER + body)) == whole


def test_lines_that_do_not_add_up_are_a_fault_of_the_whole_file() -> None:
    lines = Lines(io.BytesIO(HEADER + line(1) + line(2, b'"two\nlines"')))
    lines.start(FEEDS["users"])
    lines.read()
    lines.account(2)
    with pytest.raises(FeedError, match="of 3 lines 1 lie inside values, and 1 rows were read") as told:
        lines.account(1)
    assert told.value.rule == "lines_unaccounted"


def three_hundred(broken: int, name: bytes) -> Iterator[bytes]:
    return (line(n, name if n == broken else b"Asha Rao") for n in range(1, 301))


@pytest.mark.parametrize(
    "name", [b'"Asha Rao', b'Asha "Rao', b'Asha Rao"', b'"Asha" Rao', b' "Asha Rao"', b'"']
)
def test_a_stray_quote_costs_its_row_only(name: bytes, world: World) -> None:
    loaded = world.drop("users", HEADER + b"".join(three_hundred(56, name)))
    assert (loaded.rows, world.rejects()) == (299, [(56, "broken_quoting")])
    assert world.quarantine()[0].raw_row == line(56, name).decode().strip()
    assert "u56" not in {row["user_id"] for row in world.raw("users")}


def test_two_stray_quotes_on_two_lines_swallow_nothing(world: World) -> None:
    """By the letter of the RFC these are one row, whose name holds a whole line of another."""
    content = HEADER + line(1) + line(2, b'"Sita Ram') + line(3, b'Gita Rani"') + line(4)
    world.drop("users", content)
    assert world.rejects() == [(2, "broken_quoting"), (3, "broken_quoting")]
    assert {row["user_id"] for row in world.raw("users")} == {"u1", "u4"}


def test_a_line_end_is_taken_in_free_text_only_and_there_up_to_a_length(world: World) -> None:
    long = b'"' + b"a" * 500 + b"\n" + b"b" * 497 + b'"'
    longer = long[:-1] + b'b"'
    content = HEADER + line(1, b'"Asha\nRao"') + line(2, long) + line(3, longer) + b'"u\n4",x,t,en,%s\n' % AT
    world.drop("users", content)
    assert {row["user_id"]: row["name"] for row in world.raw("users")} == {
        "u1": "Asha\nRao",
        "u2": long.decode().strip('"'),
    }
    found = [(each.row_number, each.rule, (each.raw_row or "")[:3]) for each in world.quarantine()]
    assert found == [
        (3, "broken_quoting", "u3,"),
        (4, "broken_quoting", "bbb"),
        (5, "line_end_in_value", '"u'),
        (6, "broken_quoting", '4",'),
    ]


BACKSLASHED = (
    HEADER
    + line(1, b'"Ramesh \\"Guddu\\" Kumar"')
    + line(2, b'"Sharma \\"Sr\\", Anil"')
    + line(3, b'Lakshmi \\"Amma\\" Devi')
    + line(4, b'"Meena \\""')
    + line(5, b"\\N")
    + line(6, b"Sita\\\\Ram")
    + line(7, b'"Gita\\"')
    + line(8, b'"Rani, Gita"')
)


def test_a_file_of_backslash_escapes_is_told_and_prints_none(world: World) -> None:
    loaded = world.drop("users", BACKSLASHED)
    assert {row["user_id"]: row["name"] for row in world.raw("users")} == {"u5": None, "u8": "Rani, Gita"}
    assert world.rejects() == [(n, "broken_quoting") for n in (1, 2, 3, 4, 6, 7)]
    assert all("backslash" in each.message for each in world.quarantine())
    assert "escaped by backslashes" in loaded.remark
    assert "Spark: option escape" in loaded.remark


def test_a_file_that_also_writes_quotes_twice_is_none_of_backslash_escapes(world: World) -> None:
    loaded = world.drop("users", BACKSLASHED + line(9, b'"say ""x"" twice"'))
    names = {row["user_id"]: row["name"] for row in world.raw("users")}
    assert names == {
        "u5": "\\N", "u6": "Sita\\\\Ram", "u7": "Gita\\", "u8": "Rani, Gita", "u9": 'say "x" twice',
    }  # fmt: skip
    assert world.rejects() == [(n, "broken_quoting") for n in (1, 2, 3, 4)]
    assert loaded.remark == ""


def test_a_header_of_broken_quoting_quarantines_the_file(world: World) -> None:
    assert world.drop("users", HEADER.replace(b"name", b'na"me') + line(1)).status == "quarantined"
    assert world.rejects() == [(None, "broken_quoting")]
