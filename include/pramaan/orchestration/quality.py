"""The steps of `check_quality`."""

from pramaan.orchestration.context import task_context

__all__ = ["check_loads", "hold_what_follows"]


def check_loads() -> dict[str, int]:
    """Run the quality suites on loads without a verdict; returns how many passed and failed."""
    from pramaan.certificates.verdicts import settle_verdicts
    from pramaan.quality.check import check_loads as check

    place = task_context()
    with place.connect() as connection:
        verdicts = check(connection, docs_folder=place.settings.quality_docs)
        settle_verdicts(connection)
    passed = sum(verdict.passed for verdict in verdicts)
    return {"passed": passed, "failed": len(verdicts) - passed}


def hold_what_follows() -> dict[str, int]:
    """Hold what waits to be issued on facts of failed loads; a later batch's candidates meet the gate."""
    from pramaan.database.connect import pipeline_lock
    from pramaan.stages.deciding import hold_what_follows as hold

    place = task_context()
    with place.connect() as connection, pipeline_lock(connection, wait_seconds=1800):
        return {"certificates_held": hold(connection, place.settings)}
