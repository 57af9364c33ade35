"""What Airflow's own metrics (StatsD or OpenTelemetry, as it is configured) carry of issuance."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from airflow.sdk.observability import stats

if TYPE_CHECKING:
    from pramaan.runs import Measures

__all__ = ["tell_metrics"]


def tell_metrics(measures: "Measures", counts: Mapping[str, int]) -> None:
    """Send what waits and failed, and what this batch did, as `pramaan.*`; does nothing without metrics."""
    for name, value in asdict(measures).items():
        stats.gauge(f"pramaan.{name}", value or 0)
    stats.gauge("pramaan.batch_size", counts.get("certificates_issued", 0))
    for name in ("issued", "failed", "retried", "held"):
        stats.incr(f"pramaan.certificates_{name}", counts.get(f"certificates_{name}", 0))
