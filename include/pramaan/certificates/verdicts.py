"""Which verdicts on loads (table `ops.load_verdicts`) the gate has to know: failed ones, as long as a fact of
their load can still hold a certificate.
"""

from typing import Final, LiteralString

from pramaan.database.connect import Connection

__all__ = ["is_any_verdict_open", "settle_verdicts"]

_OPEN: Final[LiteralString] = """
    select from ops.load_verdicts where not passed and settled_at is null limit 1
"""

# What a person let pass for a course passes for ever, and what is issued is never taken back: what is settled
# stays so. Users are of no course, and telemetry decides nothing.
_NOT_APPROVED: Final[LiteralString] = """
    not exists (
        select from ops.gate_holds as holds
        where holds.course_id = facts.course_id and holds.rule = 'quality'
            and holds.state = 'approved' and verdicts.load_id = any(holds.load_ids)
    )
"""
_NOT_ISSUED: Final[LiteralString] = """
    not exists (
        select from registry.certificates as certificates
        where certificates.user_id = facts.user_id and certificates.course_id = facts.course_id
            and certificates.batch_id = facts.batch_id
            and certificates.status in ('issued', 'superseded', 'revoked')
    )
"""
_SETTLE: Final[LiteralString] = f"""
    update ops.load_verdicts as verdicts set settled_at = now()
    where not passed and settled_at is null
        and not exists (select from raw.users as facts where facts.load_id = verdicts.load_id)
        and not exists (
            select from raw.courses as facts where facts.load_id = verdicts.load_id and {_NOT_APPROVED}
        )
        and not exists (
            select from raw.batches as facts where facts.load_id = verdicts.load_id and {_NOT_APPROVED}
        )
        and not exists (
            select from raw.enrolments as facts
            where facts.load_id = verdicts.load_id and {_NOT_APPROVED} and {_NOT_ISSUED}
        )
        and not exists (
            select from raw.progress as facts
            where facts.load_id = verdicts.load_id and {_NOT_APPROVED} and {_NOT_ISSUED}
        )
"""  # noqa: S608 - our own words


def is_any_verdict_open(connection: Connection) -> bool:
    """Whether some failed load still has facts that can hold a certificate; one look into a small index."""
    return connection.execute(_OPEN).rowcount > 0


def settle_verdicts(connection: Connection) -> int:
    """Mark failed verdicts of whose loads no fact can hold a certificate any more: sent again since by other
    loads, let pass by a person, or issued. Returns how many.

    Safe to repeat, and beside running batches: what is settled cannot become open again. Reads what is left
    of the failed loads in the raw tables, which may take seconds: not for whoever holds the pipeline's lock.
    """
    return connection.execute(_SETTLE).rowcount
