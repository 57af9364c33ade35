"""Makes decisions of what changed, enqueues what they earn past the gate, and tells the team what is held."""

import logging
from dataclasses import dataclass
from uuid import UUID

from pramaan.certificates.enqueue import Enqueued, enqueue_entitled
from pramaan.certificates.gate import GateRules, validate_quality_again
from pramaan.certificates.hold_notices import queue_hold_notices
from pramaan.certificates.holds import end_healed, list_holds
from pramaan.database.connect import Connection
from pramaan.errors import SettingsError
from pramaan.lifecycle.identity import IdentityKey
from pramaan.mail.addresses import Sender, addresses_in
from pramaan.settings import PREFIX, Settings
from pramaan.warehouse.decide import Scope, decide_changed_keys

__all__ = [
    "Decided",
    "decide",
    "decided_counts",
    "enqueue_missing",
    "enqueued_counts",
    "hold_what_follows",
    "tell_team",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decided:
    """What a batch decided and enqueued."""

    scope: Scope
    enqueued: Enqueued


def decided_counts(decided: Decided) -> dict[str, int]:
    """What a batch decided, in figures."""
    return {"keys_decided": decided.scope.keys, **enqueued_counts(decided.enqueued)}


def enqueued_counts(enqueued: Enqueued) -> dict[str, int]:
    """What became of those who earned a certificate, in figures."""
    return {
        "certificates_enqueued": enqueued.pending,
        "certificates_held": enqueued.held,
        "certificates_withdrawn": enqueued.withdrawn,
    }


def decide(
    connection: Connection, settings: Settings, *, run_id: UUID | None = None, history: bool = False
) -> Decided:
    """Decide the changed keys and enqueue what they earn, past the gate, in one transaction. The caller holds
    the pipeline's lock.

    An import of `history` passes the gate.
    """
    with connection.transaction():
        scope = decide_changed_keys(connection)
        if not scope.keys:
            return Decided(scope, Enqueued(0, 0, 0))
        enqueued = _enqueue(connection, settings, in_scope=True, run_id=run_id, history=history)
        return Decided(scope, enqueued)


def enqueue_missing(connection: Connection, settings: Settings) -> Enqueued:
    """Enqueue every entitled completion that has no certificate, whatever the reason. The caller holds the
    pipeline's lock.

    Decides the changed keys first: what is printed must be what a decision saw.
    """
    with connection.transaction():
        decide_changed_keys(connection)
        return _enqueue(connection, settings, in_scope=False, run_id=None, history=False)


def hold_what_follows(connection: Connection, settings: Settings) -> int:
    """Hold what waits to be issued on facts of loads that failed their quality suite, and let go what rests
    on better ones by now, or on a better verdict; returns how many are newly held. The caller holds the
    pipeline's lock.
    """
    with connection.transaction():
        held = validate_quality_again(connection, timezone=settings.timezone)
        end_healed(connection)
        if held:
            tell_team(connection, settings)
    return held


def tell_team(connection: Connection, settings: Settings) -> None:
    """Queue a mail about each hold that waits and has none yet, in the caller's transaction.

    A mail that cannot be written is logged and undoes nothing else: a notice never stops a decision.
    """
    try:
        with connection.transaction():
            queue_hold_notices(
                connection,
                list_holds(connection, state="waiting"),
                team=addresses_in(settings.team_email, variable="PRAMAAN_TEAM_EMAIL"),
                approval_url=f"{settings.public_base_url.removesuffix(PREFIX)}/required_actions",
                sender=Sender.parse(settings.mail_from),
            )
    except (ValueError, SettingsError) as error:
        # Without the error itself, which may quote an address.
        log.error("the team is not told of what is held: %s", type(error).__name__)  # noqa: TRY400


def _enqueue(
    connection: Connection, settings: Settings, *, in_scope: bool, run_id: UUID | None, history: bool
) -> Enqueued:
    enqueued = enqueue_entitled(
        connection,
        key=IdentityKey.read(settings.secrets / "certificate_id.key"),
        public_url=settings.public_base_url,
        in_scope=in_scope,
        gate=_gate_rules(settings),
        run_id=run_id,
        history=history,
    )
    if enqueued.held:
        tell_team(connection, settings)
    return enqueued


def _gate_rules(settings: Settings) -> GateRules:
    return GateRules(
        weeks=settings.gate_weeks,
        volume_factor=settings.gate_volume_factor,
        volume_floor=settings.gate_volume_floor,
        oldest_days=settings.gate_oldest_days,
        timezone=settings.timezone,
    )
