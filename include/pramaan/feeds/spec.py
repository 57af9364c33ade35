"""What each feed may say: its columns, their types and bounds, its key, and the decisions that it touches.

Source: the feeds' contract as printed in the README ("Feeds"). Everything that depends on a feed's shape
(reading, checking, merging) is generated from these records; a new column is one line here and one in a
migration.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import LiteralString

__all__ = ["FEEDS", "Column", "FeedSpec", "Kind"]

_IDS = ("mid", "eid")
_LONGEST_ID_BYTES = 512
_LONGEST_TEXT_BYTES = 1 << 16
_LONGEST_LIST_BYTES = 1 << 20


class Kind(StrEnum):
    """A column's type, as the contract names it."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    INSTANT = "instant"
    DATE = "date"
    LIST = "list"
    EPOCH_MS = "epoch_ms"
    LINE = "line"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a feed.

    `values` are the accepted ones, `low` and `high` inclusive bounds; `json_path` is where a JSON line holds
    it when that is not under its own name; `required_when` is another column and the value that makes this
    one required. `free_text` is written by people for people: a value of it may have several lines.
    """

    name: str
    kind: Kind = Kind.TEXT
    required: bool = False
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    json_path: str | None = None
    required_when: tuple[str, str] | None = None
    free_text: bool = False

    @property
    def is_id(self) -> bool:
        """Whether it names something, or a list of such: what must not be altered by a single character."""
        return self.name in _IDS or self.name.endswith(("_id", "_ids"))

    @property
    def longest_bytes(self) -> int:
        """The longest text: an id must fit an index beside two others, other text is for people to read."""
        if self.kind is Kind.LIST:
            return _LONGEST_LIST_BYTES
        return _LONGEST_ID_BYTES if self.is_id else _LONGEST_TEXT_BYTES


@dataclass(frozen=True, slots=True)
class FeedSpec:
    """One feed: where it lands (`raw.<name>`), by which key, and which decisions a changed row touches.

    `version` is the column whose greatest value wins. `merges` marks progress, whose rows merge instead.
    `touches` is the kind and the columns written to `ops.changed_keys`, None where no decision depends on it.
    `decisive` is all of a row, as SQL over `{row}`, that progress, decisions and certificates depend on:
    where a changed row has it as before, none is worked out again. `decisive_when`: a new row with less says
    nothing yet.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    version: str = "updated_at"
    merges: bool = False
    json_only: bool = False
    touches: tuple[str, tuple[str, ...]] | None = None
    decisive: tuple[LiteralString, ...] = ()
    decisive_when: LiteralString = "true"


def _text(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name) for name in names)


def _free_text(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, free_text=True) for name in names)


def _required(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, required=True) for name in names)


_UPDATED_AT = Column("updated_at", Kind.INSTANT, required=True)

_USERS = FeedSpec(
    name="users",
    key=("user_id",),
    columns=(
        *_required("user_id"),
        *_free_text("name"),
        *_text("email", "phone"),
        *_required("tenant_id"),
        *_text("language"),
        *_free_text("state", "district", "block", "cluster"),
        *_text("school_id"),
        *_free_text("school_name", "org_name"),
        *_text("user_type", "user_sub_type", "declared_board", "external_id"),
        _UPDATED_AT,
    ),
    touches=("user", ("user_id",)),
    decisive=("{row}.name", "{row}.tenant_id", "{row}.language"),
)

_COURSES = FeedSpec(
    name="courses",
    key=("course_id", "updated_at"),
    columns=(
        *_required("course_id"),
        Column("name", required=True, free_text=True),
        *_required("tenant_id"),
        Column("status", required=True, values=("Draft", "Live", "Retired")),
        *_text("language"),
        Column("leaf_count", Kind.INTEGER, required=True, low=1, high=2**31 - 1),
        Column("published_at", Kind.INSTANT),
        _UPDATED_AT,
    ),
    touches=("course", ("course_id",)),
    decisive=(
        *("{row}.name", "{row}.tenant_id", "{row}.status", "{row}.leaf_count"),
        "{row}.published_at",
    ),
)

_BATCHES = FeedSpec(
    name="batches",
    key=("batch_id",),
    columns=(
        *_required("batch_id", "course_id", "tenant_id"),
        Column("name", required=True, free_text=True),
        Column("enrolment_type", required=True, values=("open", "invite-only")),
        Column("start_date", Kind.DATE),
        Column("end_date", Kind.DATE),
        Column("mentor_ids", Kind.LIST),
        _UPDATED_AT,
    ),
    touches=("batch", ("batch_id",)),
    decisive=("{row}.course_id", "{row}.tenant_id"),
)

_ENROLMENTS = FeedSpec(
    name="enrolments",
    key=("user_id", "batch_id"),
    columns=(
        *_required("user_id", "course_id", "batch_id"),
        Column("enrolled_at", Kind.INSTANT, required=True),
        Column("active", Kind.BOOLEAN, required=True),
        _UPDATED_AT,
    ),
    touches=("enrolment", ("user_id", "batch_id")),
    # An enrolment that says inactive counts as active until then.
    decisive=(
        *("{row}.enrolled_at", "{row}.active"),
        "case when not {row}.active then {row}.updated_at end",
    ),
)

_PROGRESS = FeedSpec(
    name="progress",
    key=("user_id", "batch_id", "content_id"),
    columns=(
        *_required("user_id", "course_id", "batch_id", "content_id"),
        Column("status", Kind.INTEGER, required=True, values=("0", "1", "2")),
        Column("score", Kind.NUMBER, low=0, high=100),
        Column("completed_at", Kind.INSTANT, required_when=("status", "2")),
        _UPDATED_AT,
    ),
    merges=True,
    touches=("progress", ("user_id", "batch_id")),
    decisive=("{row}.course_id", "{row}.status", "{row}.score", "{row}.completed_at"),
    decisive_when="{row}.status > 0 or {row}.score is not null",
)

_TELEMETRY = FeedSpec(
    name="telemetry",
    key=("mid",),
    columns=(
        *_required("mid", "eid"),
        Column("ets", Kind.EPOCH_MS, required=True),
        Column("actor_id", json_path="$.actor.id"),
        Column("pdata_id", json_path="$.context.pdata.id"),
        Column("object_id", json_path="$.object.id"),
        Column("object_type", json_path="$.object.type"),
        Column("event", Kind.LINE),
    ),
    version="ets",
    json_only=True,
)

FEEDS = {spec.name: spec for spec in (_USERS, _COURSES, _BATCHES, _ENROLMENTS, _PROGRESS, _TELEMETRY)}
"""Every feed by name, in the order in which a run loads them."""
