"""A feed that has stopped coming is told to the team, once a day, and in the end turns the night red."""

from datetime import UTC, datetime, timedelta

import pytest

from pramaan.database.connect import Connection
from pramaan.errors import DatabaseError
from pramaan.freshness import in_words, notify_stale_feeds
from pramaan.settings import Settings
from pramaan.warehouse.freshness import stale_feeds
from worlds import database_url

pytestmark = pytest.mark.slow

NOON = datetime(2026, 3, 5, 6, 30, tzinfo=UTC)


def came(connection: Connection, feed: str, *, days_ago: int) -> None:
    connection.execute(
        "insert into ops.loads (feed, uri, sha256, status, bytes, loaded_at) "
        "values (%s, 'file', %s, 'loaded', 1, now() - make_interval(days => %s, hours => 1))",
        (feed, f"{feed} {days_ago}", days_ago),
    )


@pytest.fixture
def overdue(connection: Connection) -> Connection:
    """Users are overdue, progress is for long, courses came a month ago, and telemetry never did."""
    came(connection, "users", days_ago=3)
    came(connection, "progress", days_ago=9)
    came(connection, "progress", days_ago=20)
    came(connection, "courses", days_ago=30)
    came(connection, "batches", days_ago=0)
    came(connection, "enrolments", days_ago=1)
    return connection


@pytest.mark.usefixtures("overdue")
def test_each_feed_has_its_own_limits(settings: Settings) -> None:
    stale = stale_feeds(database_url(settings), target=settings.home / "dbt-freshness")
    assert [(one.feed, one.age.days, one.allowed_days, one.is_error) for one in stale] == [
        ("progress", 9, 7, True),
        ("users", 3, 2, False),
    ]
    assert "progress last came at" in in_words(stale)
    assert "9 days ago, and is awaited every 7 days; users last came" in in_words(stale)


def test_a_feed_that_comes_again_unchanged_is_fresh(settings: Settings, overdue: Connection) -> None:
    overdue.execute("update ops.loads set last_seen_at = now() where feed = 'users'")
    stale = stale_feeds(database_url(settings), target=settings.home / "dbt-freshness")
    assert [one.feed for one in stale] == ["progress"]


def test_the_team_is_told_once_a_day(settings: Settings, overdue: Connection) -> None:
    told = settings.model_copy(update={"team_email": "team@example.org"})
    evening = NOON + timedelta(hours=11)
    next_day_in_india = NOON + timedelta(hours=13)
    for now, mails in ((NOON, 1), (evening, 1), (next_day_in_india, 2)):
        assert notify_stale_feeds(told, url=database_url(settings), now=now)
        found = overdue.execute(
            "select subject_key, recipients from ops.mails where kind = 'stale_feeds' order by mail_id"
        ).fetchall()
        assert len(found) == mails
    assert found == [("2026-03-05", ["team@example.org"]), ("2026-03-06", ["team@example.org"])]
    (content,) = overdue.execute("select content -> 'feeds' from ops.mails limit 1").fetchone() or ([],)
    assert [one["feed"] for one in content] == ["progress", "users"]  # type: ignore[attr-defined]


def test_nothing_is_told_where_all_comes_or_nothing_ever_did(
    settings: Settings, connection: Connection
) -> None:
    assert notify_stale_feeds(settings, url=database_url(settings), now=NOON) == []
    came(connection, "progress", days_ago=1)
    assert notify_stale_feeds(settings, url=database_url(settings), now=NOON) == []
    assert connection.execute("select count(*) from ops.mails").fetchone() == (0,)


def test_a_source_that_cannot_be_asked_is_an_error(settings: Settings, connection: Connection) -> None:
    connection.execute("alter table ops.loads rename to loads_away")
    with pytest.raises(DatabaseError, match="dbt source failed"):
        stale_feeds(database_url(settings), target=settings.home / "dbt-freshness")
