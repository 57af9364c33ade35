"""What a new version of an issuer does to its attachments: each that is open ends, and its successor, with
the new version, begins at the same instant. So the attachment alone says what was in force.
"""

from dataclasses import replace
from datetime import datetime
from typing import cast
from uuid import UUID

from pramaan.database.connect import Connection
from pramaan.registry.attachments import (
    close_attachment,
    get_attachment,
    note_attachment_change,
    open_attachment,
)
from pramaan.registry.changes import Actor
from pramaan.registry.templates import require_usable

__all__ = ["lock_attachments_of", "succeed_for_issuer"]


def lock_attachments_of(connection: Connection, issuer_id: str) -> None:
    """Wait for every change of the issuer's open attachments that is under way, and hold off others; the
    caller holds the issuer's lock. Before the instant is taken from which a new version is in force.
    """
    connection.execute(
        "select from registry.attachments where issuer_id = %s and (valid_to is null or valid_to > now()) "
        "order by attachment_id for update",
        (issuer_id,),
    )


def succeed_for_issuer(
    connection: Connection, issuer_id: str, version: int, *, at: datetime, by: Actor
) -> None:
    """Close the issuer's open attachments at `at` and open their successors, in the caller's transaction,
    which has locked them.

    One that is to begin later is closed at its beginning: it was never in force, and is not rewritten either.
    Raises RegistryError `template_not_usable` when a template requires what the new version leaves out.
    """
    still_open = connection.execute(
        "select attachment_id, greatest(%(at)s, valid_from) from registry.attachments "
        "where issuer_id = %(issuer_id)s and (valid_to is null or valid_to > greatest(%(at)s, valid_from))",
        {"issuer_id": issuer_id, "at": at},
    ).fetchall()
    for attachment_id, since in still_open:
        before = get_attachment(connection, cast(UUID, attachment_id))
        terms = replace(before.terms, issuer_version=version)
        require_usable(
            connection, terms.template_id, terms.template_version, issuer_id=issuer_id, issuer_version=version
        )
        close_attachment(connection, before, at=cast(datetime, since))
        after = open_attachment(
            connection,
            terms,
            valid_from=cast(datetime, since),
            valid_to=before.valid_to,
            by=by,
            reason=f"issuer version {version}",
        )
        note_attachment_change(
            connection, "succeeded", by=by, before=before, after=after, since=cast(datetime, since)
        )
