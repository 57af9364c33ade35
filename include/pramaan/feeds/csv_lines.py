"""A CSV file's bytes as pyarrow may have them: rows, and a mark for each line that begins none."""

import io
import re
import secrets
from typing import IO

from pramaan.errors import FeedError
from pramaan.feeds.chunks import BLOCK_BYTES, LONGEST_ROW_BYTES, NOT_UTF8, Reject, plain_text
from pramaan.feeds.csv_quotes import Form, count_lines, is_plain, one_row, split_rows
from pramaan.feeds.source import refuse_wide
from pramaan.feeds.spec import FeedSpec

__all__ = ["Lines"]

_LINE_TEXT = re.compile(rb"[^\r\n]+")


class Lines(io.RawIOBase):
    """The bytes of `stream` from its header on, with a mark for each line that pyarrow cannot read.

    Those are lines too long for its blocks, lines that are not UTF-8 (of these it would drop, without a word,
    the ones of the wrong width) and lines of broken quoting (which it would take for something).
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._ready = b""
        self._unfinished = b""
        """Whole lines whose last value is still open."""
        self._tail = b""
        """The beginning of a line."""
        self._ended = False
        self._newline = b"\n"
        self._form = Form(0)
        self.names: tuple[str, ...] = ()
        """The columns of the header, once started."""
        # Drawn anew for each file: no line of it can pass for a mark.
        self._mark_begins = f"\x00set aside {secrets.token_hex(16)}: "
        self._set_aside: dict[str, Reject] = {}
        self._marks = 0
        self._lines = self._lines_inside = self._rows = 0

    def readable(self) -> bool:
        """Always: pyarrow asks."""
        return True

    def start(self, spec: FeedSpec) -> Form:
        """Read the header; called once, before reading. Raises FeedError where it cannot be used."""
        while not self._tail and (block := self._stream.read(BLOCK_BYTES)):
            self._tail = block.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
        if not self._tail.strip():
            raise FeedError(
                "empty_file", "the file has no header and no rows, only empty lines; send it again"
            )
        if re.match(rb"[^\r\n]*\r(?!\n)", self._tail):
            self._newline = b"\r"  # as the header ends, whatever stands in a value further down
        if not _is_utf8(self._tail.partition(self._newline)[0]):
            raise FeedError(
                "unreadable_file", "the header is not UTF-8; save the file as UTF-8 and send it again"
            )
        names, end = self._header()
        self.names = tuple(names)
        self._ready, self._tail = self._tail[:end] + b"\n", self._tail[end:]
        self._form = Form.of(names, spec, sample=self._tail)
        return self._form

    def _header(self) -> tuple[list[str], int]:
        """The columns' names, and where the header ends."""
        refuse_wide(self._tail[: _end_of_line(self._tail)].count(b",") + 1)
        if b"\n" not in self._tail and b"\r" not in self._tail:
            if len(self._tail) >= LONGEST_ROW_BYTES:
                raise FeedError("too_long", f"the header is longer than {LONGEST_ROW_BYTES} bytes")
            self._tail += b"\n"
        header = one_row(self._tail)
        if header is None:
            raise FeedError(
                "broken_quoting", "the quoting of the header is broken (RFC 4180); send the file again"
            )
        refuse_wide(len(header[0]))  # a name may hold a line end, and more may stand behind it
        return header

    def read(self, size: int = -1) -> bytes:
        """The next bytes, as many as asked for unless the file ends."""
        while not self._ended and (size < 0 or len(self._ready) < size):
            self._fill()
        size = len(self._ready) if size < 0 else size
        given, self._ready = self._ready[:size], self._ready[size:]
        return given

    def set_aside(self, cell: str) -> Reject | None:
        """What the mark in this cell stands for; None when it is none. A mark can be asked for once."""
        return self._set_aside.pop(cell, None)

    def account(self, rows: int) -> None:
        """Once all is read: whether the rows that came out of it are those that the lines make.

        Raises FeedError where they are not, which only a fault of the reading explains.
        """
        if self._lines - self._lines_inside != self._rows or rows != self._rows:
            raise FeedError(
                "lines_unaccounted",
                f"of {self._lines} lines {self._lines_inside} lie inside values, and {rows} rows were read: "
                "they do not add up, so none of the file is loaded. Report it, with the file",
            )

    def _fill(self) -> None:
        block = self._stream.read(BLOCK_BYTES)
        data = self._tail + block
        if not block:
            self._ended = True
            self._take(data + self._newline if data else b"", is_last=True)
            return
        cut = data.rfind(self._newline) + 1
        self._tail = data[cut:]
        self._take(data[:cut])
        if len(self._tail) > 2 * LONGEST_ROW_BYTES:
            self._skip_line()

    def _take(self, data: bytes, *, is_last: bool = False) -> None:
        """Make whole lines ready: quick when each of them is a row."""
        if data:
            data = self._marked(data)
            self._lines += count_lines(data)
        data, self._unfinished = self._unfinished + data, b""
        if not data:
            return
        if is_plain(data, self._form):
            self._ready += data
            self._rows += count_lines(data)
            return
        rows = split_rows(data, self._form, is_last=is_last, refuse=self._refuse)
        self._ready += rows.data
        self._rows += rows.count
        self._lines_inside += rows.lines_inside
        self._unfinished = data[rows.used :]

    def _refuse(self, line: bytes, rule: str, why: str) -> bytes:
        return self._mark(Reject(None, rule, why, plain_text(line)))

    def _skip_line(self) -> None:
        """Read on to the end of a line without keeping it."""
        beginning, length = self._tail[:LONGEST_ROW_BYTES], len(self._tail)
        after = b""
        while block := self._stream.read(BLOCK_BYTES):
            line, end, after = block.partition(self._newline)
            length += len(line)
            if end:
                break
        self._tail = after
        self._take(self._mark_long(beginning, length=length) + self._newline)

    def _marked(self, data: bytes) -> bytes:
        """Whole lines, with a mark in the place of each that cannot be read; quick when there is none."""
        parts, start, position = [], 0, 0
        while position + LONGEST_ROW_BYTES < len(data):  # looks only at one newline in every so many bytes
            end = data.rfind(self._newline, position, position + LONGEST_ROW_BYTES)
            if end < 0:
                end = data.find(self._newline, position + LONGEST_ROW_BYTES)
                line = data[position:end]
                parts += [data[start:position], self._mark_long(line, length=len(line))]
                start = end
            position = end + 1
        whole = b"".join([*parts, data[start:]]) if parts else data
        if _is_utf8(whole):
            return whole
        return _LINE_TEXT.sub(self._utf8_or_mark, whole)

    def _utf8_or_mark(self, line: re.Match[bytes]) -> bytes:
        if _is_utf8(line[0]):
            return line[0]
        return self._mark(Reject(None, "invalid_utf8", NOT_UTF8, plain_text(line[0])))

    def _mark_long(self, line: bytes, *, length: int) -> bytes:
        said = f"the line has {length} bytes; a row has at most {LONGEST_ROW_BYTES}"
        return self._mark(Reject(None, "too_long", said, plain_text(line)))

    def _mark(self, reject: Reject) -> bytes:
        self._marks += 1
        mark = f"{self._mark_begins}{self._marks}"
        self._set_aside[mark] = reject
        return mark.encode()


def _end_of_line(data: bytes) -> int:
    found = _LINE_TEXT.match(data)
    return len(data) if found is None else found.end()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
