"""Checks chunks against their feed's contract and gives their values the warehouse's types, in DuckDB.

Every rule is checked for every row; a row is rejected for the first rule it breaks, in the order of the
feed's columns.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pramaan.feeds.chunks import LINE_COLUMN, Chunk, Reject, numbered_raw_rows
from pramaan.feeds.faults import judging
from pramaan.feeds.rules import BROKEN, Rule, checking_sql, json_depth, rules_of
from pramaan.feeds.spec import FeedSpec

__all__ = ["FUTURE_LIMIT", "Checked", "Validator", "open_validator"]

FUTURE_LIMIT = timedelta(hours=24)
"""An instant further ahead of the load than this is a clock gone wrong, not a fact."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The good rows, typed, in the feed's column order; and the rejected ones.

    `good` is the position in the chunk of each good row, from which its raw row can be shown later.
    """

    rows: pa.Table
    rejects: tuple[Reject, ...]
    unknown_columns: frozenset[str]
    good: pa.Array
    chunk: Chunk

    def reject(self, index: int, *, rule: str, message: str) -> Reject:
        """The good row at `index` as a reject after all."""
        return _rejects(self.chunk, [self.good[index].as_py()], [Rule(rule, message, "")])[0]


@contextmanager
def open_validator() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection that validates rows, without files, network or extensions. It takes longer to start
    than to validate a small file, so the files of a run share it, one after the other.
    """
    validate = duckdb.connect(
        config={
            "threads": 1,
            "memory_limit": "512MB",  # a ceiling for bugs: a chunk takes a tenth of it
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    try:
        validate.execute("set timezone = 'UTC'; set enable_progress_bar = false")
        validate.create_function("json_depth", json_depth, ["VARCHAR"], "INTEGER")
        yield validate
    finally:
        validate.close()


class Validator:
    """Checks the chunks of one file. Not thread-safe."""

    def __init__(self, spec: FeedSpec, *, loaded_at: datetime, validate: duckdb.DuckDBPyConnection) -> None:
        self._spec = spec
        self._latest = loaded_at + FUTURE_LIMIT
        self._known = frozenset(c.name for c in spec.columns)
        self._con = validate

    def check(self, chunk: Chunk) -> Checked:
        """Split a chunk into typed good rows and rejects; changes nothing outside.

        Raises FeedError when the chunk has something that cannot be validated at all.
        """
        if not chunk.rows.num_rows:
            return Checked(chunk.rows, chunk.rejects, chunk.unknown_columns, pa.array([], pa.int64()), chunk)
        is_json = LINE_COLUMN in chunk.rows.column_names
        self._con.register("chunk", chunk.rows)
        try:
            with judging():
                unknown, repeat = self._json_keys() if is_json else (chunk.unknown_columns, False)
                rules = rules_of(self._spec, is_json=is_json, keys_repeat=repeat, latest=self._latest)
                query = checking_sql(self._spec, chunk.rows.schema, rules=rules)
                validated = self._con.sql(query).to_arrow_table()
        finally:
            self._con.unregister("chunk")
        return self._split(chunk, validated, rules=rules, unknown=unknown)

    def _split(
        self, chunk: Chunk, validated: pa.Table, *, rules: tuple[Rule, ...], unknown: frozenset[str]
    ) -> Checked:
        names = [c.name for c in self._spec.columns]
        is_broken = pc.is_valid(validated[BROKEN])
        positions = pc.indices_nonzero(is_broken).to_pylist()
        broken = validated[BROKEN].drop_null().to_pylist()
        rejects = _rejects(chunk, positions, [rules[number] for number in broken])
        is_good = pc.invert(is_broken)
        good = validated.select(names) if not positions else validated.select(names).filter(is_good)
        return Checked(good, chunk.rejects + rejects, unknown, pc.indices_nonzero(is_good), chunk)

    def _json_keys(self) -> tuple[frozenset[str], bool]:
        """The keys that the contract does not know, and whether any line has a key twice."""
        found = self._con.execute(
            f"select distinct json_keys({LINE_COLUMN}) from chunk "  # noqa: S608 - a constant
            f"where case when json_valid({LINE_COLUMN}) then left(ltrim({LINE_COLUMN}, ' '), 1) = '{{' end"
        ).fetchall()
        lists: list[list[str]] = [keys for (keys,) in found if keys]
        repeat = any(len(set(keys)) < len(keys) for keys in lists)
        if self._spec.json_only:
            return (
                frozenset(),
                repeat,
            )  # an envelope of its own specification: kept whole, not column by column
        return frozenset(key for keys in lists for key in keys) - self._known, repeat


def _rejects(chunk: Chunk, positions: list[int], rules: Sequence[Rule]) -> tuple[Reject, ...]:
    if not positions:
        return ()
    return tuple(
        Reject(number, rule.name, rule.message, shown, rule.column_name)
        for (number, shown), rule in zip(numbered_raw_rows(chunk, positions), rules, strict=True)
    )
