"""Tells the implementation team which feeds have stopped coming: one mail a day."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from pramaan.database.connect import connect
from pramaan.mail.addresses import Sender, addresses_in
from pramaan.mail.ledger import queue_mail
from pramaan.mail.messages import Content, Line
from pramaan.registry.grants import team_addresses
from pramaan.settings import Settings
from pramaan.warehouse.freshness import StaleFeed, stale_feeds

__all__ = ["OverdueFeed", "StaleFeeds", "in_words", "notify_stale_feeds"]


class OverdueFeed(BaseModel):
    """A feed whose last file is older than its limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    feed: Line
    loaded_at: AwareDatetime
    days: int
    allowed_days: int
    is_error: bool

    @property
    def came_at(self) -> str:
        """When its last file was loaded, as our logs write instants."""
        return f"{self.loaded_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


class StaleFeeds(Content):
    """To the implementation team, in English: feeds have stopped coming."""

    kind: ClassVar[str] = "stale_feeds"

    feeds: Annotated[tuple[OverdueFeed, ...], Field(min_length=1)]


def notify_stale_feeds(settings: Settings, *, url: str, now: datetime) -> Sequence[StaleFeed]:
    """Find the overdue feeds and queue a mail that names them; returns them.

    Idempotent: the team gets one mail per calendar day of the platform's time zone. It goes to
    `PRAMAAN_TEAM_EMAIL` or, when that is empty, to the admins whose grants have an address.

    Raises DatabaseError when dbt cannot check the feeds, SettingsError for addresses that cannot be used.
    """
    stale = stale_feeds(url, target=settings.home / "dbt-freshness")
    if not stale:
        return stale
    notice = StaleFeeds(
        feeds=tuple(
            OverdueFeed(
                feed=one.feed,
                loaded_at=one.loaded_at,
                days=one.age.days,
                allowed_days=one.allowed_days,
                is_error=one.is_error,
            )
            for one in stale
        )
    )
    team = addresses_in(settings.team_email, variable="PRAMAAN_TEAM_EMAIL")
    day = f"{now.astimezone(ZoneInfo(settings.timezone)):%Y-%m-%d}"
    with connect(url) as connection, connection.transaction():
        recipients = team_addresses(connection, team, tenants=None)
        mail = notice.mail(subject_key=day, recipients=recipients)
        queue_mail(connection, mail, sender=Sender.parse(settings.mail_from))
    return stale


def in_words(stale: Sequence[StaleFeed]) -> str:
    """Returns the overdue feeds and what to do, as a text for a log."""
    feeds = "; ".join(
        f"{one.feed} last came at {one.loaded_at:%Y-%m-%dT%H:%M:%SZ}, {one.age.days} days ago, and is "
        f"awaited every {one.allowed_days} days"
        for one in stale
    )
    return (
        f"{feeds}. See whether the portal's export still runs and drops files into the landing folder, and "
        "whether load_feeds is green. Limits: dbt/models/sources.yml"
    )
