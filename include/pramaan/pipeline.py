"""The pipeline of one home: its stages, bound to one database and its settings, for callers that run several
stages in a process. A command or task that needs one stage imports that stage.

Each stage can run alone and can be repeated. Loading and deciding hold the pipeline's lock; issuing needs
none, since workers take leases.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from uuid import UUID

from pramaan.certificates.enqueue import Enqueued
from pramaan.certificates.issue import ChunkResult, WorkerConfig
from pramaan.database.connect import Connection, connect
from pramaan.feeds.load import FileLoaded
from pramaan.quality.check import Verdict, check_loads
from pramaan.reports.service import ReportService
from pramaan.settings import Settings
from pramaan.stages import counting, deciding, issuing, loading, preparing
from pramaan.stages.counting import Totals
from pramaan.stages.deciding import Decided

__all__ = ["Batch", "Decided", "Pipeline", "Totals"]


@dataclass(frozen=True, slots=True)
class Batch:
    """The outcome of one run."""

    files: Sequence[FileLoaded]
    decided: Decided
    issued: ChunkResult

    def counts(self) -> dict[str, int]:
        """Returns the run's counts by the names under which they are printed."""
        return {
            **loading.load_counts(self.files),
            **deciding.decided_counts(self.decided),
            **{f"certificates_{name}": count for name, count in asdict(self.issued).items()},
        }


class Pipeline:
    """The pipeline of one home, on the database at `url`."""

    def __init__(self, settings: Settings, *, url: str) -> None:
        self.settings = settings
        self.url = url
        self.worker_config: WorkerConfig = issuing.worker_config_of(settings, url=url)

    @property
    def reports(self) -> ReportService:
        """The reports of this home, on the same database."""
        return ReportService(self.settings, url=self.url)

    def connect(self) -> AbstractContextManager[Connection]:
        """Returns a connection to the database for the block."""
        return connect(self.url)

    def prepare(self, *, report: Callable[[str], None] = lambda _: None) -> None:
        """See `preparing.prepare`."""
        preparing.prepare(self.settings, url=self.url, report=report)

    def load(
        self, connection: Connection, *, on_rows: Callable[[int], None] = lambda _: None
    ) -> list[FileLoaded]:
        """Load every waiting file, telemetry last. The caller holds the pipeline's lock."""
        return [
            *loading.load_facts(connection, self.settings, on_rows=on_rows),
            *loading.load_telemetry(connection, self.settings, on_rows=on_rows),
        ]

    def decide(self, connection: Connection, *, run_id: UUID | None = None, history: bool = False) -> Decided:
        """See `deciding.decide`."""
        return deciding.decide(connection, self.settings, run_id=run_id, history=history)

    def enqueue_missing(self, connection: Connection) -> Enqueued:
        """See `deciding.enqueue_missing`."""
        return deciding.enqueue_missing(connection, self.settings)

    def hold_what_follows(self, connection: Connection) -> int:
        """See `deciding.hold_what_follows`."""
        return deciding.hold_what_follows(connection, self.settings)

    def check_loads(self) -> list[Verdict]:
        """Run the quality suites on the loads without a verdict, and on failed ones that have received more
        rows since.
        """
        with self.connect() as connection:
            return check_loads(connection, docs_folder=self.settings.quality_docs)

    def waiting(self, connection: Connection) -> int:
        """Returns how many certificates are due now."""
        return issuing.count_due(connection)

    def issue_chunk(self, *, limit: int, run_id: UUID | None) -> ChunkResult:
        """See `issuing.issue_chunk`."""
        return issuing.issue_chunk(self.worker_config, limit=limit, run_id=run_id)

    def issue_all(
        self,
        connection: Connection,
        *,
        run_id: UUID | None,
        on_attempts: Callable[[int], None] = lambda _: None,
        on_total: Callable[[int], None] = lambda _: None,
    ) -> ChunkResult:
        """See `issuing.issue_all`."""
        return issuing.issue_all(
            connection, self.worker_config, run_id=run_id, on_attempts=on_attempts, on_total=on_total
        )

    def totals(self, connection: Connection) -> Totals:
        """See `counting.count_everything`."""
        return counting.count_everything(connection)
