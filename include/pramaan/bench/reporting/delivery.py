"""From asking to the mail server's word, under Airflow: one report alone, and a hundred at once."""

from collections.abc import Callable
from statistics import quantiles
from typing import Final, LiteralString, cast

from pramaan.bench.issuance.platform import Platform, wait_until
from pramaan.bench.measurement import Measurement
from pramaan.bench.reporting.synthetic_people import LARGE, SMALL
from pramaan.database.connect import Connection
from pramaan.reports.ledger import Format
from pramaan.reports.requests import ReportSpec, Requester

__all__ = ["measure_delivery"]

_TIMEOUT_SECONDS: Final = 1800.0
_SMALL_REQUESTS: Final = 90
_LARGE_REQUESTS: Final = 10
_FORMATS: Final[tuple[Format, ...]] = ("csv", "xlsx")

_TAKEN: LiteralString = """
    select batch_id, extract(epoch from handed_over_at - requested_at)::float
    from ops.report_requests
    where requested_by like %s || '-%%'
"""


def measure_delivery(
    platform: Platform, *, report: Callable[[str], None] = lambda _: None
) -> list[Measurement]:
    """Ask for the large report alone, in each format; then for ninety small ones and ten large at once."""
    found = []
    with platform.pipeline.connect() as connection:
        for format_ in _FORMATS:
            _ask(platform, connection, f"alone-{format_}", LARGE, format_)
            ((_, seconds),) = _delivered(connection, f"alone-{format_}", 1)
            report(f"{format_}, alone: {seconds:.1f} s")
            found.append(
                Measurement(
                    f"asked to accepted, {format_}",
                    seconds,
                    "s",
                    "at most 20",
                    "the large report alone, under Airflow, to the mail server's word",
                )
            )
        # The large ones first: the small ones are what they may keep waiting.
        for n in range(_LARGE_REQUESTS + _SMALL_REQUESTS):
            batch_id = LARGE if n < _LARGE_REQUESTS else SMALL
            _ask(platform, connection, "people", batch_id, _FORMATS[n % 2], number=n)
        taken = _delivered(connection, "people", _LARGE_REQUESTS + _SMALL_REQUESTS)
    small = _p95([seconds for batch_id, seconds in taken if batch_id == SMALL])
    every = _p95([seconds for _, seconds in taken])
    report(f"p95 of the small: {small:.1f} s, of all: {every:.1f} s")
    what = f"{_SMALL_REQUESTS} small and {_LARGE_REQUESTS} large at once"
    return [
        *found,
        Measurement(f"{what}, p95 of the small", small, "s", "at most 60", "csv and xlsx by turns"),
        Measurement(f"{what}, p95 of all", every, "s", "at most 300", "csv and xlsx by turns"),
        Measurement(f"{what}, the slowest", max(s for _, s in taken), "s", None, "csv and xlsx by turns"),
    ]


def _ask(
    platform: Platform,
    connection: Connection,
    name: str,
    batch_id: str,
    format_: Format,
    *,
    number: int = 0,
) -> None:
    requester = Requester(f"{name}-{number}", None, is_operator=True)
    wanted = ReportSpec(batch_id=batch_id, format=format_, email=f"mentor{number}@example.org")
    platform.pipeline.reports.ask(connection, requester, wanted, channel="api")


def _delivered(connection: Connection, name: str, requests: int) -> list[tuple[str, float]]:
    """The batch of each request and the seconds it took, once all are handed over."""
    taken: list[tuple[str, float]] = []

    def all_there() -> bool:
        nonlocal taken
        taken = cast(list[tuple[str, float]], connection.execute(_TAKEN, (name,)).fetchall())
        return len(taken) == requests and all(seconds is not None for _, seconds in taken)

    wait_until(all_there, seconds=_TIMEOUT_SECONDS, what=f"{requests} reports")
    return taken


def _p95(seconds: list[float]) -> float:
    return quantiles(seconds, n=20, method="inclusive")[-1]
