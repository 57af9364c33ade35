"""The SLA of a report: sent within thirty minutes of its request, whatever delays it.

Counted from the ledger alone. The implementation team is told when a report is late (after twenty minutes)
and when the SLA is breached (after thirty), once each.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, LiteralString

from pramaan.mail.ledger import queue_mail
from pramaan.registry.grants import team_addresses
from pramaan.reports.mails import ReportLate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pramaan.database.connect import Connection
    from pramaan.mail.addresses import Sender

__all__ = ["LATE_AFTER", "SLA", "has_unreported_late_reports", "notify_late_reports"]

LATE_AFTER: Final = timedelta(minutes=20)
SLA: Final = timedelta(minutes=30)

# A failed report has an answer: its requester sees why.
_LATE: LiteralString = """
    select
        requests.request_id::text, stages.stage, requests.batch_id, requests.status, requests.requested_at,
        requests.built_at, coalesce(mails.error, requests.error), batches.tenant_id
    from ops.report_requests as requests
    inner join (values ('late', %(late)s), ('breached', %(breached)s)) as stages (stage, after)
        on requests.requested_at < now() - stages.after
    left join marts.dim_batch as batches on requests.batch_id = batches.batch_id
    left join ops.mails as mails
        on mails.kind = 'progress_report' and mails.subject_key = requests.request_id::text
    where requests.status in ('requested', 'building')
        and not exists (
            select from ops.mails as told
            where told.kind = 'report_late'
                and told.subject_key = requests.request_id::text || ' ' || stages.stage
        )
    order by requests.requested_at, stages.after
"""


def has_unreported_late_reports(connection: "Connection") -> bool:
    """Whether a report is late that the team has not been told of."""
    return bool(_late(connection))


def notify_late_reports(connection: "Connection", *, team: "Sequence[str]", sender: "Sender") -> int:
    """Queue a mail for each report that is newly late or breached; returns how many. Safe to repeat.

    The mail goes to `team` or, when that is empty, to the admins of the batch's tenant.
    """
    told = 0
    with connection.transaction():
        late = _late(connection)
        for request_id, stage, batch_id, status, requested_at, built_at, error, tenant_id in late:
            notice = ReportLate(
                request_id=request_id,
                stage=stage,
                batch_id=ascii(batch_id)[1:-1],
                state="built, not sent" if built_at else status,
                requested_at=requested_at,
                error=error,
            )
            recipients = team_addresses(connection, team, tenants=[tenant_id] if tenant_id else None)
            mail = notice.mail(subject_key=f"{request_id} {stage}", recipients=recipients)
            told += queue_mail(connection, mail, sender=sender)
    return told


def _late(connection: "Connection") -> list[tuple[Any, ...]]:
    return connection.execute(_LATE, {"late": LATE_AFTER, "breached": SLA}).fetchall()
