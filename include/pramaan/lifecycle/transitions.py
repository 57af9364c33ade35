"""Which transitions of a certificate there are, and the statement that makes one. The database has the same
table (migration 0007).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, LiteralString, get_args
from uuid import UUID

from pramaan.database.connect import Connection
from pramaan.registry.certificates import Certificate, Status, get_certificate

__all__ = [
    "CLAIM",
    "CREATE",
    "CREATE_HELD",
    "FAIL",
    "HOLD",
    "ISSUE",
    "RELEASE",
    "RETRY",
    "REVOKE",
    "STATUSES",
    "SUPERSEDE",
    "TRANSITIONS",
    "WITHDRAW",
    "Transition",
    "lock_certificates",
    "lock_for_person",
    "move",
]

_PERSONS_LOCK: Final = 0x5072616D61616E09
"""Advisory transaction lock of a person who decides about a certificate."""

STATUSES: Final[tuple[Status, ...]] = get_args(Status)


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of status, from any of `before` to `after`; None stands for no certificate at all. `outcome`
    is what `ops.outcomes` calls it; a claim has none until it ends.
    """

    name: str
    before: tuple[Status | None, ...]
    after: Status | None
    outcome: str | None


CREATE: Final = Transition("create", (None,), "pending", "created")
CREATE_HELD: Final = Transition("create", (None,), "held", "held")
HOLD: Final = Transition("hold", ("pending",), "held", "held")
RELEASE: Final = Transition("release", ("held",), "pending", "released")
CLAIM: Final = Transition("claim", ("pending",), "pending", None)
ISSUE: Final = Transition("issue", ("pending",), "issued", "issued")
FAIL: Final = Transition("fail", ("pending",), "failed", "failed")
RETRY: Final = Transition("retry", ("pending", "failed"), "pending", "retried")
WITHDRAW: Final = Transition("withdraw", ("pending", "held", "failed"), None, "withdrawn")
SUPERSEDE: Final = Transition("supersede", ("issued", "revoked"), "superseded", "superseded")
REVOKE: Final = Transition("revoke", ("issued",), "revoked", "revoked")

TRANSITIONS: Final = (
    CREATE, CREATE_HELD, HOLD, RELEASE, CLAIM, ISSUE, FAIL, RETRY, WITHDRAW, SUPERSEDE, REVOKE,
)  # fmt: skip
"""All there are."""


# All ids in one array, so that each is looked up by the key.
_LOCK: LiteralString = """
    select certificate_id from registry.certificates
    where certificate_id = any(array(
        select unnest(%(ids)s::text[])
        union all
        select supersedes from registry.certificates
        where certificate_id = any(%(ids)s) and supersedes is not null
    ))
    order by certificate_id
    for update
"""


def lock_certificates(connection: Connection, certificate_ids: Sequence[str]) -> None:
    """Lock certificates and those that they supersede until the caller's transaction ends, in the order of
    their ids, as everybody does.
    """
    connection.execute(_LOCK, {"ids": list(certificate_ids)})


_LOCK_FAMILY: LiteralString = """
    select certificate_id from registry.certificates
    where certificate_id = any(array(
        select %(certificate_id)s
        union all
        select certificate_id from registry.certificates where supersedes = %(certificate_id)s
    ))
    order by certificate_id
    for update
"""


def lock_for_person(connection: Connection, certificate_id: str) -> Certificate:
    """Lock a certificate and its successors until the caller's transaction ends, for what a person decides
    about it; returns it. Persons take turns, so that no successor comes between.

    Raises RegistryError `certificate_not_found`.
    """
    connection.execute("select pg_advisory_xact_lock(%s)", (_PERSONS_LOCK,))
    connection.execute(_LOCK_FAMILY, {"certificate_id": certificate_id})
    return get_certificate(connection, certificate_id)


_MOVE: LiteralString = """
    with proposed as materialized (
        select proposals.*
        from ({proposals}) as proposals
        inner join registry.certificates as certificates using (certificate_id)
        where certificates.status = any(%(before)s) and {guard}
        order by certificate_id
        for update of certificates
    ),

    moved as (
        update registry.certificates as certificates
        set status = %(after)s, lease_id = null, lease_expires_at = null{changes}
        from proposed
        where certificates.certificate_id = proposed.certificate_id
        returning certificates.certificate_id, certificates.attempts, certificates.error_class
    )

    insert into ops.outcomes (run_id, certificate_id, status, error_class, attempt)
    select
        %(run_id)s, certificate_id, %(outcome)s, case when %(is_failure)s then error_class end, attempts
    from moved
    returning certificate_id
"""


def move(
    connection: Connection,
    transition: Transition,
    proposals: LiteralString,
    *,
    changes: LiteralString = "",
    guard: LiteralString = "true",
    values: Mapping[str, object] = MappingProxyType({}),
    run_id: UUID | None = None,
) -> set[str]:
    """Make a transition of every certificate that is proposed and may make it, with an outcome each, in the
    caller's transaction; returns their ids. The others stay as they are.

    `proposals` is a query with a `certificate_id` a row, and whatever `changes` (to the row `certificates`,
    from `proposed`) need; `guard` is a further condition on `certificates`; `values` are theirs. Whoever
    worked on a certificate loses it.
    """
    statement = _MOVE.format(proposals=proposals, changes=changes, guard=guard)
    made = {
        "before": list(transition.before),
        "after": transition.after,
        "outcome": transition.outcome,
        "is_failure": transition in (FAIL, RETRY),
        "run_id": run_id,
    }
    return {str(row[0]) for row in connection.execute(statement, {**values, **made}).fetchall()}
