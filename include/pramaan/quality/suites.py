"""The rules of each feed, as records: what must hold of which column of `rows`, and how many may break it.

A rule with columns that are nowhere filled says nothing and is left out: there is nothing to compare with.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pramaan.feeds.spec import FEEDS
from pramaan.quality import limits
from pramaan.quality.limits import Limit

__all__ = ["FILE_SUITE", "REFERENCES", "SUITES", "Check", "Rule"]

Check = Literal["given", "unique", "true", "in_set", "between"]
"""What must hold of the values of a column; all but `given` pass over what is empty."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One expectation: `check` holds of `column`'s values, but for as many as `limit` lets pass.

    `values` are those of `in_set`, `low` and `high` the inclusive bounds of `between`.
    """

    name: str
    column: str
    check: Check
    limit: Limit
    values: tuple[object, ...] = ()
    low: float | None = None
    high: float | None = None


def _true(column: str, limit: Limit) -> Rule:
    return Rule(column, column, "true", limit)


_EVERY_FEED: Final = (
    Rule("key_is_given", "key", "given", limits.NONE),
    Rule("key_is_unique", "key", "unique", limits.NONE),
    Rule("required_columns_are_given", "missing_columns", "between", limits.NONE, low=0, high=0),
    _true("dates_are_plausible", limits.IMPLAUSIBLE_DATES),
    _true("row_is_recent", limits.OLD_ROWS),
)
_FEED_OF: Final = {"user": "users", "course": "courses", "batch": "batches", "enrolment": "enrolments"}
_KNOWN: Final = {name: _true(f"{name}_is_known", limits.UNKNOWN_REFERENCES) for name in _FEED_OF}

REFERENCES: Final[Mapping[str, str]] = {_KNOWN[name].name: feed for name, feed in _FEED_OF.items()}
"""By rule about what rows refer to, the feed that it comes with. Feeds come in any order, so that such a rule
may hold once more of that feed is loaded; what breaks any other stays broken.
"""


def _values_of(feed: str, column: str) -> Rule:
    """Only what the contract lists, in the type of the raw table."""
    (known,) = (one for one in FEEDS[feed].columns if one.name == column)
    values = tuple(int(value) if value.isdecimal() else value for value in known.values)
    return Rule(f"{column}_is_in_the_contract", column, "in_set", limits.NONE, values=values)


SUITES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "users": (
        *_EVERY_FEED,
        _true("name_is_given", limits.MISSING_NAMES),
        _true("name_is_not_one_letter", limits.STRANGE_NAMES),
        _true("name_is_not_a_number", limits.STRANGE_NAMES),
        _true("name_is_not_the_commonest", limits.COMMONEST_NAME),
    ),
    "courses": (
        *_EVERY_FEED,
        _values_of("courses", "status"),
        Rule("leaf_count_is_in_the_contract", "leaf_count", "between", limits.NONE, low=1),
        Rule(
            "leaf_count_is_plausible",
            "leaf_count",
            "between",
            limits.LARGE_COURSES,
            high=limits.LARGEST_LEAF_COUNT,
        ),
    ),
    "batches": (*_EVERY_FEED, _values_of("batches", "enrolment_type"), _KNOWN["course"]),
    "enrolments": (*_EVERY_FEED, _KNOWN["user"], _KNOWN["course"], _KNOWN["batch"]),
    "progress": (
        *_EVERY_FEED,
        _values_of("progress", "status"),
        Rule("score_is_in_the_contract", "score", "between", limits.NONE, low=0, high=100),
        _true("score_is_no_fraction", limits.FRACTIONAL_SCORES),
        _KNOWN["enrolment"],
    ),
    "telemetry": _EVERY_FEED,
}
"""By feed, what must hold of the rows that a load left in the feed's raw table."""

FILE_SUITE: Final = (_true("row_is_not_quarantined", limits.QUARANTINED),)
"""What must hold of the rows of a file of any feed, loaded or refused."""
