"""Quotes by RFC 4180, strictly: which lines of CSV are rows, and which are not.

A quote opens a value only at its start, closes it only before a separator or a line end, and is written twice
inside. A line that is otherwise is refused alone, and reading goes on with the next one: a stray quote
swallows nothing. A line end lies inside a value only where the value is free text of at most
LONGEST_LINED_VALUE_BYTES, and where no line of it could be a row by itself.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from pramaan.feeds.spec import FeedSpec

__all__ = ["LONGEST_LINED_VALUE_BYTES", "Form", "Rows", "count_lines", "is_plain", "one_row", "split_rows"]

LONGEST_LINED_VALUE_BYTES = 1_000
_FEWEST_ESCAPED = 3

_Positions = np.ndarray[tuple[int], np.dtype[np.intp]]
_Flags = np.dtype[np.bool]

_QUOTED = rb'"[^"]*+(?:""[^"]*+)*+"'
_CELL = rb"(?:" + _QUOTED + rb'|[^",\r\n]*+)'
_ROW = re.compile(rb"(?:" + _CELL + rb",)*+" + _CELL + rb"(?=[\r\n])")
_UNFINISHED = re.compile(rb"(?:" + _CELL + rb',)*+("[^"]*+(?:""[^"]*+)*+)\Z')
_ONE_CELL = re.compile(_CELL)
_LINE = re.compile(rb"[^\r\n]*+(?:\r\n?|\n)")
_ESCAPED = re.compile(rb'\\"[^",\r\n]')
_DOUBLED = re.compile(rb'[^",\r\n\\]""|""[^",\r\n]')
_LINE_FEED, _CARRIAGE_RETURN, _QUOTE, _COMMA = b'\n\r",'


@dataclass(frozen=True, slots=True)
class Form:
    """What rows of one file look like: its columns, and those that may hold a line end.

    `backslashes`: its quotes are plainly escaped by backslashes. Then a value `\\N` is empty, and a row with
    any other backslash does not say what it seems to.
    """

    columns: int
    lined: frozenset[int] = field(default_factory=frozenset)
    backslashes: bool = False

    @classmethod
    def of(cls, names: Sequence[str], spec: FeedSpec, *, sample: bytes) -> "Form":
        """The form of a file with these columns, of which `sample` is the beginning."""
        strict = {column.name for column in spec.columns if not column.free_text}
        lined = frozenset(number for number, name in enumerate(names) if name not in strict)
        return cls(len(names), lined, _is_escaped_by_backslashes(sample))


def _is_escaped_by_backslashes(sample: bytes) -> bool:
    """Whether that is plain: by most lines that have a quote, and more than two, and none says otherwise."""
    if not _ESCAPED.search(sample) or _DOUBLED.search(sample):
        return False
    quoted = [line for line in sample.splitlines() if b'"' in line]
    escaped = sum(b'\\"' in line for line in quoted)
    return escaped >= _FEWEST_ESCAPED and escaped * 2 > len(quoted)


@dataclass(frozen=True, slots=True)
class Rows:
    """Whole rows, how many, how many lines they hold beyond one each, and how many bytes were used."""

    data: bytes
    count: int
    lines_inside: int
    used: int


def count_lines(data: bytes) -> int:
    """How many lines that are not empty there are; `data` ends with a line end."""
    ends = _line_ends(data)
    return int(np.count_nonzero(np.diff(ends, prepend=-1) > 1))


def is_plain(data: bytes, form: Form) -> bool:
    """Whether each line is a row by itself, as far as quotes go: proven for a whole block at once."""
    if form.backslashes and b"\\" in data:
        return False
    if b'"' not in data:
        return True
    found = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(found == _QUOTE)
    if len(quotes) % 2:
        return False
    opening, closing = quotes[::2], quotes[1::2]
    opens = _is_border(found[opening - 1])  # for the very first byte this looks at the last, a line end
    closes = _is_border(found[closing + 1])
    doubled = closing[:-1] + 1 == opening[1:]
    opens[1:] |= doubled
    closes[:-1] |= doubled
    return bool(opens.all() and closes.all()) and not (np.searchsorted(quotes, _line_ends(data)) % 2).any()


def one_row(data: bytes) -> tuple[list[str], int] | None:
    """The values of the first row of `data` and where it ends; None where its quoting is broken."""
    row = _ROW.match(data)
    if row is None:
        return None
    texts = [cell.decode() for cell, _ in _cells(row[0])]
    return [text[1:-1].replace('""', '"') if text.startswith('"') else text for text in texts], row.end()


def split_rows(data: bytes, form: Form, *, is_last: bool, refuse: Callable[[bytes, str, str], bytes]) -> Rows:
    """The rows of whole lines, looked at one by one; `refuse` gives what stands for a line of broken quoting,
    by its rule and the reason. A value that is open at the end waits for more lines unless `is_last`.
    """
    parts: list[bytes] = []
    count = lines_inside = position = 0
    while position < len(data):
        line = _LINE.match(data, position)
        assert line is not None  # noqa: S101 - whole lines
        text, end = line[0].rstrip(b"\r\n"), line.end()
        row = text
        if b'"' in text or (form.backslashes and b"\\" in text):
            found = _ROW.match(data, position)
            if found is None and not is_last and _goes_on(data, position):
                break
            if (why := _broken(text, found, form)) is not None:
                row = refuse(text, *why)
            else:
                assert found is not None  # noqa: S101 - else it is broken
                row = _without_nulls(found[0]) if form.backslashes else found[0]
                lines_inside += count_lines(found[0] + b"\n") - 1
                end = _end_of_line(data, found.end())
        parts += [row, b"\n"] if row else []
        count += bool(row)
        position = end
    return Rows(b"".join(parts), count, lines_inside, position)


def _broken(text: bytes, found: re.Match[bytes] | None, form: Form) -> tuple[str, str] | None:
    """The rule and the reason why the line does not begin a row; None when it does."""
    escaped = b'\\"' in text
    cells = [] if found is None else _cells(found[0])
    lined = [(n, start, start + len(c)) for n, (c, start) in enumerate(cells) if b"\n" in c or b"\r" in c]
    if found is None or any(stop - start > LONGEST_LINED_VALUE_BYTES for _, start, stop in lined):
        return "broken_quoting", _BACKSLASH if escaped else _STRAY
    if form.backslashes and any(b"\\" in cell and cell != b"\\N" for cell, _ in cells):
        return "broken_quoting", _BACKSLASH
    if not lined:
        return None
    if len(cells) != form.columns or b"\x00" in found[0] or _swallows(found[0], lined, form):
        return "broken_quoting", _BACKSLASH if escaped else _UNCLOSED
    if any(number not in form.lined for number, _, _ in lined):
        return "line_end_in_value", _LINED
    return None


_STRAY = (
    "the quoting is broken: a quote opens a value only at its start, closes it only before a separator or "
    'a line end, and is written twice inside (""); a value of several lines has at most '
    f"{LONGEST_LINED_VALUE_BYTES} bytes"
)
_UNCLOSED = "the quoting is broken: a quote is opened and not closed, so that the next rows lie inside it"
_BACKSLASH = (
    "the quoting is broken: a quote is escaped by a backslash, which CSV does not know; inside a quoted "
    'value it is written twice ("")'
)
_LINED = "a value holds a line end, which only names and other free text may"


def _swallows(row: bytes, lined: Sequence[tuple[int, int, int]], form: Form) -> bool:
    """Whether a line of the row could be a row by itself, if its quote were none: it has as many separators,
    one of them inside a value that holds a line end.
    """
    return any(
        line[0].count(b",") == form.columns - 1
        and any(row.count(b",", max(start, line.start()), min(stop, line.end())) for _, start, stop in lined)
        for line in _LINE.finditer(row + b"\n")
    )


def _goes_on(data: bytes, position: int) -> bool:
    """Whether a value is open at the end of `data` that may still be closed in time."""
    found = _UNFINISHED.match(data, position)
    return found is not None and len(found[1]) <= LONGEST_LINED_VALUE_BYTES


def _cells(row: bytes) -> list[tuple[bytes, int]]:
    """The values of a row as they stand, and where each begins."""
    cells, position = [], 0
    while True:
        cell = _ONE_CELL.match(row, position)
        assert cell is not None  # noqa: S101 - it may be empty, and so matches
        cells.append((cell[0], position))
        if cell.end() >= len(row):
            return cells
        position = cell.end() + 1


def _without_nulls(row: bytes) -> bytes:
    return b",".join(b"" if cell == b"\\N" else cell for cell, _ in _cells(row))


def _end_of_line(data: bytes, position: int) -> int:
    line = _LINE.match(data, position)
    return len(data) if line is None else line.end()


def _line_ends(data: bytes) -> _Positions:
    found = np.frombuffer(data, np.uint8)
    is_end = found == _LINE_FEED
    if b"\r" in data:
        is_end |= found == _CARRIAGE_RETURN
    return np.flatnonzero(is_end)


def _is_border(found: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> np.ndarray[tuple[int], _Flags]:
    return np.isin(found, (_COMMA, _LINE_FEED, _CARRIAGE_RETURN))
