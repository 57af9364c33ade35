"""The step of `build_warehouse` that asks whether the feeds still come."""

import logging
from datetime import UTC, datetime

from airflow.sdk.exceptions import AirflowFailException

from pramaan.orchestration.context import database_url

__all__ = ["check_freshness"]

log = logging.getLogger(__name__)


def check_freshness() -> dict[str, int]:
    """Tell the team of feeds that are overdue; returns by how many days each is old. Fails where one has been
    overdue for so long that somebody has to act: no later try would change that.
    """
    from pramaan.freshness import in_words, notify_stale_feeds
    from pramaan.settings import load_settings

    settings = load_settings()
    stale = notify_stale_feeds(settings, url=database_url(settings), now=datetime.now(UTC))
    if stale:
        log.warning("%s", in_words(stale))
    if any(one.is_error for one in stale):
        raise AirflowFailException(in_words([one for one in stale if one.is_error]))
    return {one.feed: one.age.days for one in stale}
