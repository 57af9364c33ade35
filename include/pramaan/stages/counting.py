"""Everything in figures, for people."""

from dataclasses import dataclass
from typing import Final, LiteralString, cast

from pramaan.database.connect import Connection

__all__ = ["Totals", "count_everything"]

_RAW: Final = ("users", "courses", "batches", "enrolments", "progress", "telemetry")


@dataclass(frozen=True, slots=True)
class Totals:
    """The whole warehouse and registry, in counts."""

    rows: dict[str, int]
    quarantined: int
    completions: int
    decisions: dict[str, int]
    certificates: dict[str, int]


def count_everything(connection: Connection) -> Totals:
    """Count everything; reads whole tables, so for people and not for batches."""
    return Totals(
        rows={name: _count(connection, f"select count(*) from raw.{name}") for name in _RAW},  # noqa: S608
        quarantined=_count(connection, "select count(*) from ops.quarantine"),
        completions=_count(connection, "select count(*) from marts.fct_completions"),
        decisions=_counts(
            connection, "select decision, count(*) from marts.fct_certificate_decisions group by 1"
        ),
        certificates=_counts(connection, "select status, count(*) from registry.certificates group by 1"),
    )


def _count(connection: Connection, query: LiteralString) -> int:
    row = connection.execute(query).fetchone()
    return cast(int, row[0]) if row else 0


def _counts(connection: Connection, query: LiteralString) -> dict[str, int]:
    return dict(sorted(cast(list[tuple[str, int]], connection.execute(query).fetchall())))
