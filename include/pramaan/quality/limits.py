"""How much of what a load may have, and why: every threshold of the suites, in one place.

A share means something among enough rows only. So each limit is a share or a number of rows, whichever lets
more pass: one strange row in a file of three is for the quarantine and the gate, not for a verdict on a feed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

__all__ = [
    "COMMONEST_NAME",
    "EARLIEST_INSTANT",
    "FRACTIONAL_SCORES",
    "HABIT_BEGINS_DAYS",
    "HABIT_ENDS_DAYS",
    "IMPLAUSIBLE_DATES",
    "LARGEST_LEAF_COUNT",
    "LARGE_COURSES",
    "MISSING_NAMES",
    "NONE",
    "OLD_ROWS",
    "QUARANTINED",
    "RECENT_DAYS",
    "ROWS_AT_MOST",
    "STRANGE_NAMES",
    "UNKNOWN_REFERENCES",
    "Limit",
]


@dataclass(frozen=True, slots=True)
class Limit:
    """Up to `share` of the rows, or `rows` of them, whichever is more, may break the rule; `why` says why."""

    share: float
    rows: int
    why: str

    def allowed(self, checked: int) -> int:
        """How many of so many rows may break the rule."""
        return min(checked, max(int(self.share * checked), self.rows))


ROWS_AT_MOST: Final = 500_000
"""Rows of a load that are looked at; of a larger load a sample by its keys' hash, the same each time. Shares
of a sample this large are exact to a fifth of a per cent, and it takes some 100 MB."""

HABIT_BEGINS_DAYS: Final = 28
HABIT_ENDS_DAYS: Final = 2
"""A feed has a habit when it was loaded within four weeks, but for the last two days: an import of history
comes in many files, hours apart, and has nothing to be compared with. Quiet for longer than a holiday, a feed
begins anew."""

EARLIEST_INSTANT: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Before any learning portal; a clock that was never set and an empty number both say 1970."""

LARGEST_LEAF_COUNT: Final = 1_000
"""Contents of a course. The largest that we know have some hundreds."""

RECENT_DAYS: Final = {
    "users": 60,
    "courses": 400,
    "batches": 400,
    "enrolments": 60,
    "progress": 60,
    "telemetry": 60,
}
"""How old the newer half of what a load brings may be. Learners' telephones are offline for weeks, hence two
months; courses and batches are often sent long after they were made."""

NONE: Final = Limit(0, 0, "the loader and the tables keep this; a row that breaks it is a fault of ours")
QUARANTINED: Final = Limit(
    0.05,
    10,
    "a typing error breaks a row, a changed export breaks a file",
)
IMPLAUSIBLE_DATES: Final = Limit(
    0.01, 5, "some telephones' clocks were never set; in more than one row of a hundred it is the export"
)
OLD_ROWS: Final = Limit(
    0.5, 200, "telephones and schools are late, but not most of them: an export of another year was sent"
)
UNKNOWN_REFERENCES: Final = Limit(
    0.5,
    100,
    "a row that comes before what it refers to waits; where most do, the ids are of another system",
)
MISSING_NAMES: Final = Limit(
    0.1,
    20,
    "some people leave their name empty; where many have, a column was lost, and all would be held",
)
STRANGE_NAMES: Final = Limit(
    0.02, 20, "a few are tests or one initial; where many are, another column stands in the place of the name"
)
COMMONEST_NAME: Final = Limit(
    0.25, 50, "of the commonest names not one person in fifty has the same; a constant was exported"
)
LARGE_COURSES: Final = Limit(
    0.01, 2, "a course of so many contents can hardly be completed; where several are, the column is another"
)
FRACTIONAL_SCORES: Final = Limit(
    0.2,
    20,
    "scores are 0 to 100, few of them between 0 and 1: the export writes shares, nobody would pass",
)
