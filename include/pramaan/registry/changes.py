"""The record of changes (table `registry.changes`): who changed what, when, from where, before and after.

Written in the transaction of the change itself, so that there is never one without the other; only ever added
to, which a trigger of the database sees to: against accidents and our own faults, not against its owner.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pramaan.database.connect import Connection
from pramaan.errors import RegistryError

__all__ = ["Actor", "Channel", "SubjectKind", "checked_reason", "record_change"]

Channel = Literal["api", "page", "cli", "airflow", "setup", "platform"]
"""The way in; `platform`: nobody's, the platform does it by itself."""

SubjectKind = Literal["attachment", "issuer", "certificate", "grant", "hold"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change, by which way in, and from which address."""

    username: str
    channel: Channel
    address: str | None = None


_LONGEST_REASON: Final = 500


def checked_reason(reason: str) -> str:
    """A reason that a person gives for a change, without blanks around it. Raises RegistryError
    `invalid_reason`.
    """
    if not reason.strip() or len(reason) > _LONGEST_REASON:
        raise RegistryError("invalid_reason", f"reason: 1 to {_LONGEST_REASON} characters that say why")
    return reason.strip()


def record_change(
    connection: Connection,
    action: str,
    *,
    by: Actor,
    kind: SubjectKind,
    subject_id: str,
    tenant_id: str | None,
    before: Mapping[str, object] | None,
    after: Mapping[str, object] | None,
) -> None:
    """Add a line to the record, in the caller's transaction.

    `action` is a verb in the past, such as `asserted`. `before` and `after` are what of the subject
    changed, or all of it; None where there was or is none.
    """
    connection.execute(
        "insert into registry.changes "
        "(username, channel, address, action, subject_kind, subject_id, tenant_id, before, after) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            by.username,
            by.channel,
            by.address,
            action,
            kind,
            subject_id,
            tenant_id,
            _json(before),
            _json(after),
        ),
    )


def _json(value: Mapping[str, object] | None) -> str | None:
    return None if value is None else json.dumps(value, default=str, ensure_ascii=False)
