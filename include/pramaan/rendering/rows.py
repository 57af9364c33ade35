"""Many certificates from rows of JSON: read as a stream, rendered by worker processes, a file each.

A row is an object with `id`, which names its file, and the fields of the template. One that cannot be
rendered is told by its line and its class, never by what it says: it may be somebody's name.
"""

import json
import os
import re
import statistics
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import IO, Any, Final
from zoneinfo import ZoneInfo

from pramaan.errors import HostError, RenderError, TemplateError
from pramaan.rendering.renderer import Engine, Renderer
from pramaan.rendering.template import unpack_template

__all__ = ["Failure", "Figures", "Plan", "render_rows"]

_CHUNK_ROWS: Final = 50
_CHUNKS_AHEAD: Final = 4
"""A worker. The rest of the file waits on disk."""

_LONGEST_ROW_BYTES: Final = 100_000
_LONGEST_ID_BYTES: Final = 200
_UNFIT: Final = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]|^\.|\.\.")
_FIELD: Final = re.compile(r"([a-z][a-z0-9_]*): ")


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a worker needs to know; plain values, so that it can be handed to another process."""

    template_id: str
    archive: bytes = field(repr=False)
    out: Path
    timezone: str
    engine: Engine
    signature: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that was not rendered, and why; nothing of what it says."""

    line: int
    error_class: str
    message: str
    field: str | None = None

    def __str__(self) -> str:
        return f"{self.line}: {self.error_class}: {self.message}"


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of it; sizes in bytes."""

    rendered: int
    failed: int
    failures: Mapping[str, int]
    """Rows by error class."""
    seconds: float
    rate_per_second: float
    median_bytes: int
    max_bytes: int
    total_bytes: int

    def as_mapping(self) -> dict[str, object]:
        """The figures by name, for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    row_id: str
    fields: dict[str, Any]


_Result = tuple[list[int], list[Failure]]
"""Sizes of what was rendered, and what was not."""


def render_rows(
    plan: Plan,
    rows: IO[bytes],
    *,
    jobs: int,
    on_rows: Callable[[int], None] = lambda _: None,
    on_failure: Callable[[Failure], None] = lambda _: None,
) -> Figures:
    """Render each row of `rows` to `<id>.pdf` in the plan's folder, with `jobs` processes, here if it is one.

    `on_rows` hears how many rows are done, `on_failure` of each that failed. A file is whole or not there;
    one of the same name is replaced. `configure_fonts` and `vet` must have been called before.

    Raises TemplateError, OSError when a file cannot be written, HostError when a worker process died.
    """
    begun = time.perf_counter()
    sizes: list[int] = []
    failures: Counter[str] = Counter()

    def take(result: _Result) -> None:
        sizes.extend(result[0])
        for failure in sorted(result[1], key=lambda failure: failure.line):
            failures[failure.error_class] += 1
            on_failure(failure)
        on_rows(len(result[0]) + len(result[1]))

    for result in _results(plan, _chunks(rows), jobs=jobs):
        take(result)
    seconds = time.perf_counter() - begun
    return Figures(
        rendered=len(sizes),
        failed=failures.total(),
        failures=dict(sorted(failures.items())),
        seconds=round(seconds, 3),
        rate_per_second=round(len(sizes) / seconds, 2),
        median_bytes=statistics.median_low(sizes) if sizes else 0,
        max_bytes=max(sizes, default=0),
        total_bytes=sum(sizes),
    )


def _results(
    plan: Plan, chunks: Iterator[tuple[list[_Row], list[Failure]]], *, jobs: int
) -> Iterator[_Result]:
    if jobs == 1:
        worker = _Worker(plan)
        for good, bad in chunks:
            sizes, failures = worker.render(good)
            yield sizes, bad + failures
        return
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(plan,)
    ) as pool:
        running: deque[tuple[Future[_Result], list[Failure]]] = deque()
        try:
            for good, bad in chunks:
                running.append((pool.submit(_render_here, good), bad))
                if len(running) > jobs * _CHUNKS_AHEAD:
                    yield _taken(*running.popleft())
            while running:
                yield _taken(*running.popleft())
        except BrokenProcessPool as error:
            raise HostError(
                "a rendering process was killed (out of memory?): run it again with fewer --jobs"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _taken(future: Future[_Result], bad: list[Failure]) -> _Result:
    sizes, failures = future.result()
    return sizes, bad + failures


def _chunks(rows: IO[bytes]) -> Iterator[tuple[list[_Row], list[Failure]]]:
    """Rows that can be tried, and those that cannot, by some fifty lines."""
    seen: set[str] = set()
    good: list[_Row] = []
    bad: list[Failure] = []
    for line, text in _lines(rows):
        row = _read(line, text, seen)
        if isinstance(row, Failure):
            bad.append(row)
        else:
            seen.add(row.row_id)
            good.append(row)
        if len(good) + len(bad) == _CHUNK_ROWS:
            yield good, bad
            good, bad = [], []
    if good or bad:
        yield good, bad


def _lines(rows: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Each line with its number, from 1; None for one that is too long. Empty ones are passed over."""
    number = 0
    while text := rows.readline(_LONGEST_ROW_BYTES + 1):
        number += 1
        whole = text.endswith(b"\n") or len(text) <= _LONGEST_ROW_BYTES
        if whole:
            text = text.removeprefix(b"\xef\xbb\xbf") if number == 1 else text
            if text.strip():
                yield number, text
            continue
        while text and not text.endswith(b"\n"):
            text = rows.readline(_LONGEST_ROW_BYTES)
        yield number, None


def _read(line: int, text: bytes | None, seen: set[str]) -> _Row | Failure:
    if text is None:
        return Failure(line, "row_too_long", f"a row may have {_LONGEST_ROW_BYTES} bytes")
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        what = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
        return Failure(line, "not_json", f"this line is no JSON: {what}")
    if not isinstance(row, dict):
        return Failure(line, "not_an_object", "a row is a JSON object: {...}")
    return _identified(line, row, seen)


def _identified(line: int, row: dict[str, Any], seen: set[str]) -> _Row | Failure:
    row_id = row.pop("id", None)
    row_id = str(row_id) if isinstance(row_id, int) and not isinstance(row_id, bool) else row_id
    if row_id is None or row_id == "":
        return Failure(line, "missing_id", "id: the row has none, and its file is named after it", "id")
    if not isinstance(row_id, str) or _UNFIT.search(row_id) or len(row_id.encode()) > _LONGEST_ID_BYTES:
        return Failure(
            line,
            "invalid_id",
            f"id: no name for a file: a text of at most {_LONGEST_ID_BYTES} bytes, without / or \\, control "
            "characters, a dot at its start, or two together",
            "id",
        )
    if row_id in seen:
        return Failure(line, "duplicate_id", "id: an earlier row has the same", "id")
    return _Row(line, row_id, row)


class _Worker:
    """Renders rows in its process."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        template = unpack_template(plan.template_id, plan.archive)
        self._fields = template.fields
        self._renderer = Renderer(template, zone=ZoneInfo(plan.timezone), engine=plan.engine)

    def render(self, rows: list[_Row]) -> _Result:
        """Sizes and failures of these rows."""
        sizes: list[int] = []
        failures: list[Failure] = []
        for row in rows:
            if refused := self._refused(row):
                failures.append(refused)
                continue
            fields = (
                {"certificate_id": row.row_id} | row.fields
                if "certificate_id" in self._fields
                else row.fields
            )
            try:
                pdf = self._renderer.render(fields, signature=self._plan.signature)
            except RenderError as error:
                named = _FIELD.match(str(error))
                failures.append(Failure(row.line, error.error_class, str(error), named[1] if named else None))
            except TemplateError:
                raise
            except Exception as error:  # noqa: BLE001
                # Of a mistake of ours: its message might quote a name.
                failures.append(Failure(row.line, "internal_error", type(error).__name__, None))
            else:
                _write_whole(self._plan.out / f"{row.row_id}.pdf", pdf)
                sizes.append(len(pdf))
        return sizes, failures

    def _refused(self, row: _Row) -> Failure | None:
        for name, value in row.fields.items():
            if name not in self._fields:
                shown = name if re.fullmatch(r"\w{1,60}", name, re.ASCII) else "one with a strange name"
                return Failure(row.line, "unknown_field", f"the template has no such field: {shown}", shown)
            if value is not None and not isinstance(value, str):
                return Failure(row.line, "invalid_field", f"{name}: not a text", name)
        for name, field_ in self._fields.items():
            if not field_.optional and not row.fields.get(name) and name != "certificate_id":
                return Failure(row.line, "missing_field", f"{name}: the template needs it", name)
        return None


def _write_whole(path: Path, data: bytes) -> None:
    aside = path.parent / f".pramaan-{os.getpid()}.tmp"
    try:
        aside.write_bytes(data)
        aside.replace(path)
    except BaseException:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise


_here: list[_Worker] = []
"""The worker of this process."""


def _start_worker(plan: Plan) -> None:
    _here[:] = [_Worker(plan)]


def _render_here(rows: list[_Row]) -> _Result:
    return _here[0].render(rows)
