"""Gives every load its verdict: the suite of its feed upon its rows, and what the loader refused of its file.

Verdicts stand in `ops.load_verdicts`, what they rest on in Data Docs. Must not hold up issuing: whoever waits
for a verdict asks the table.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import psycopg
import pyarrow as pa
from psycopg.types.json import Jsonb

from pramaan.database.connect import Connection
from pramaan.quality.docs import PAGES_KEPT, DataDocs, Listed
from pramaan.quality.limits import ROWS_AT_MOST
from pramaan.quality.rows import read_rows
from pramaan.quality.suites import FILE_SUITE, REFERENCES, SUITES
from pramaan.quality.waiting import WaitingLoad, loads_to_check_again, waiting_loads

if TYPE_CHECKING:
    from pramaan.quality.validate import Broken, Validated, Validator

__all__ = ["LOADS_AT_ONCE", "QUALITY_LOCK", "Finding", "Verdict", "check_loads"]

log = logging.getLogger(__name__)

_LONGEST_LOOK: Final = "2min"

LOADS_AT_ONCE: Final = 1_000
"""Of one call; more wait for the next, so that a call ends."""

QUALITY_LOCK: Final = 0x5072616D61616E51
"""Advisory lock held while loads are checked: Data Docs have one writer."""

_RECORD: Final = """
    insert into ops.load_verdicts (load_id, passed, findings) values (%s, %s, %s)
    on conflict (load_id) do update
    set passed = excluded.passed, findings = excluded.findings, checked_at = excluded.checked_at
"""
_LIST: Final = """
    select
        load_id, feed, loaded_at, checked_at, loads.rows, rows_quarantined, passed, findings
    from ops.load_verdicts
    join ops.loads using (load_id)
    order by load_id desc
    limit %s
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a load broke: of `checked` rows `unexpected` broke it, more than the `allowed` ones.

    Holds nothing that a row says. `why` is the reason of the threshold; `evaluated` is false for a rule that
    could not be looked at, which is a fault of ours and counts as broken.
    """

    rule: str
    suite: str
    checked: int
    unexpected: int
    allowed: int
    why: str
    evaluated: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be thought of a load."""

    load_id: int
    feed: str
    passed: bool
    findings: tuple[Finding, ...] = ()


def check_loads(connection: Connection, *, docs_folder: Path, at_most: int = LOADS_AT_ONCE) -> list[Verdict]:
    """Check every load that has no verdict, the oldest first, then again those that failed only because what
    they refer to had not come, if it may have by now; return the verdicts that were given.

    Writes `ops.load_verdicts`, load by load, and Data Docs in `docs_folder` (`settings.quality_docs`),
    which must be a folder that the web server sees, too: shared, where that is another machine. A load that
    changed nothing passes without being looked at. Safe to repeat and in two processes at once: the second
    waits for the first, and then finds nothing left. A crash leaves the loads checked so far with their
    verdicts.

    `connection` autocommits and has a session of its own, past any pooler, for the lock. The first load to be
    looked at costs the import of Great Expectations, some seconds. Raises what psycopg raises, and OSError
    when the folder cannot be written.
    """
    with _one_at_a_time(connection):
        docs = DataDocs(docs_folder)
        validator = _lazily_made()
        verdicts = [
            _check(connection, load, validator=validator, docs=docs)
            for load in _loads(connection, at_most=at_most)
        ]
        if verdicts:
            rows = connection.execute(_LIST, (PAGES_KEPT,)).fetchall()
            docs.write_index([Listed(*cast(Any, row)) for row in rows])
    return verdicts


def _loads(connection: Connection, *, at_most: int) -> Iterator[WaitingLoad]:
    """What is to be checked: what is to be checked again shows once the others have their verdicts."""
    yield from waiting_loads(connection, at_most=at_most)
    yield from loads_to_check_again(connection, references=REFERENCES, at_most=at_most)


def _check(
    connection: Connection, load: WaitingLoad, *, validator: "Callable[[], Validator]", docs: DataDocs
) -> Verdict:
    try:
        with connection.transaction():
            connection.execute("select set_config('statement_timeout', %s, true)", (_LONGEST_LOOK,))
            results = list(_results(connection, load, validator=validator))
        findings = tuple(_finding(suite, broken) for suite, one in results for broken in one.broken)
    except (psycopg.OperationalError, psycopg.InterfaceError, OSError) as error:
        if not isinstance(error, psycopg.errors.QueryCanceled):
            raise
        results, findings = [], (_not_checked(load, error),)
    except Exception as error:
        log.exception("load %d cannot be checked", load.load_id)
        results, findings = [], (_not_checked(load, error),)
    verdict = Verdict(load.load_id, load.feed, passed=not findings, findings=findings)
    as_records = [asdict(finding) for finding in findings]
    if results:
        # Before the verdict: a crash in between is checked again, but no verdict lacks its page.
        docs.write_load(load, [one for _, one in results], as_records)
    connection.execute(_RECORD, (load.load_id, verdict.passed, Jsonb(as_records)))
    return verdict


def _results(
    connection: Connection, load: WaitingLoad, *, validator: "Callable[[], Validator]"
) -> "Iterator[tuple[str, Validated]]":
    """By suite, what came of those that have something to look at."""
    if load.rows_changed:
        rows = read_rows(connection, load)
        if rows.num_rows:
            yield load.feed, validator().validate(load.feed, SUITES[load.feed], rows)
    if load.rows_quarantined:
        yield "file", validator().validate("file", FILE_SUITE, _rows_of_file(load))


def _rows_of_file(load: WaitingLoad) -> pa.Table:
    """Of each row of the file whether it was loaded; of a larger file than we look at, in proportion."""
    scale = min(1.0, ROWS_AT_MOST / (load.rows + load.rows_quarantined))
    good, bad = (round(count * scale) for count in (load.rows, load.rows_quarantined))
    return pa.table({"row_is_not_quarantined": [True] * good + [False] * bad})


def _not_checked(load: WaitingLoad, error: Exception) -> Finding:
    """Nothing is known of such a load: a person looks at it before anything is issued on its facts."""
    return Finding(
        rule="can_be_checked",
        suite=load.feed,
        checked=0,
        unexpected=0,
        allowed=0,
        why=f"its rows cannot be validated ({type(error).__name__}); the log of this time has more",
        evaluated=False,
    )


def _finding(suite: str, broken: "Broken") -> Finding:
    return Finding(
        rule=broken.rule.name,
        suite=suite,
        checked=broken.checked,
        unexpected=broken.unexpected,
        allowed=broken.allowed,
        why=broken.rule.limit.why,
        evaluated=broken.evaluated,
    )


def _lazily_made() -> "Callable[[], Validator]":
    """The validator of this call, made when a load needs it: most checks of nothing never do."""
    made: list[Validator] = []

    def get() -> "Validator":
        if not made:
            from pramaan.quality.validate import Validator

            made.append(Validator())
        return made[0]

    return get


@contextmanager
def _one_at_a_time(connection: Connection) -> Iterator[None]:
    connection.execute("select pg_advisory_lock(%s)", (QUALITY_LOCK,))
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(%s)", (QUALITY_LOCK,))
