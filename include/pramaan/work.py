"""The pending work of this home by the DAG that does it: composes the packages' work sources."""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from pramaan.certificates.work import UNISSUED, UNNOTIFIED_HOLDS
from pramaan.database.work import WorkSource
from pramaan.feeds.work import files_waiting
from pramaan.quality.waiting import UNCHECKED
from pramaan.reports.service import ReportService
from pramaan.settings import Settings
from pramaan.stages.loading import FACT_FEEDS, TELEMETRY_FEEDS
from pramaan.stages.mailing import DUE_NOTICES
from pramaan.warehouse.work import UNDECIDED

__all__ = ["WORK", "Work", "work_sources"]

Work = Literal["facts", "telemetry", "loads", "holds", "reports", "mail"]
"""facts: to load, decide or issue; telemetry: to load; loads: to check; holds: to notify a person of;
reports: to build, send or request; mail: notices to send.
"""

WORK: tuple[Work, ...] = get_args(Work)


def work_sources(settings: Settings, *, url: str) -> Mapping[Work, Sequence[WorkSource]]:
    """Returns the sources of each kind of work. Reads nothing yet."""
    landing = settings.landing_url
    return {
        "facts": (files_waiting(landing, feeds=FACT_FEEDS), UNDECIDED, UNISSUED),
        "telemetry": (files_waiting(landing, feeds=TELEMETRY_FEEDS),),
        "loads": (UNCHECKED,),
        "holds": (UNNOTIFIED_HOLDS,),
        "reports": (WorkSource("reports", ReportService(settings, url=url).poll),),
        "mail": (DUE_NOTICES,),
    }
