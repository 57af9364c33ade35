"""What the last step of a run says: Airflow takes a run's colour from that step alone, and a run is to be red
when any step is, or when files could not be loaded.
"""

import logging
from typing import TYPE_CHECKING, cast

from airflow.sdk.exceptions import AirflowFailException

from pramaan.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk.types import RuntimeTaskInstanceProtocol

    from pramaan.feeds.load import FileLoaded

__all__ = ["fail_if_red", "tell_failed_files"]

log = logging.getLogger(__name__)


def tell_failed_files(files: "Sequence[FileLoaded]") -> None:
    """Log which files a fault of ours kept from loading, and what to do: what did load is worked on, and the
    run's last step fails.
    """
    from pramaan.feeds.load import refuse_failed

    try:
        refuse_failed(files)
    except LoadError as error:
        log.error("%s", error)  # noqa: TRY400 - its words are all there is to know


def fail_if_red(ti: "RuntimeTaskInstanceProtocol", *, loaded_by: str, files_failed: int) -> None:
    """Fail the run's last step, for good, when an earlier step failed or a fault of ours kept files from
    loading; `loaded_by` is the step whose log names them.
    """
    states = cast("dict[str, dict[str, str]]", ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]))
    red = sorted(task for task, state in states.get(ti.run_id, {}).items() if state == "failed")
    words = []
    if red:
        words.append(f"{', '.join(red)} failed: the log there says why")
    if files_failed:
        words.append(
            f"{files_failed} file(s) could not be loaded, by no fault of theirs. They wait in the landing "
            f"folder, and the next run takes them up: the last line of `{loaded_by}` names them, and says "
            "what to do"
        )
    if words:
        raise AirflowFailException("; ".join(words))
