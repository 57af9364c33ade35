"""The columns of a progress report, in order (contract part 4)."""

from dataclasses import dataclass
from typing import Final, Literal, LiteralString

from pramaan.localisation import gettext_in, gettext_noop

__all__ = ["COLUMNS", "Column", "Kind", "headers"]

Kind = Literal["text", "date", "integer", "score"]
"""score: a number with one decimal."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in the rows, its English header, its kind of value, and its width in a sheet."""

    name: LiteralString
    header: str
    kind: Kind = "text"
    width: int = 18


COLUMNS: Final = (
    # Translators: Headers of a table, one row per person enrolled in a batch of a course.
    Column("collection_id", gettext_noop("Collection Id"), width=24),
    Column("collection_name", gettext_noop("Collection Name"), width=32),
    Column("batch_id", gettext_noop("Batch Id"), width=22),
    Column("batch_name", gettext_noop("Batch Name"), width=24),
    Column("user_id", gettext_noop("User UUID"), width=38),
    Column("user_name", gettext_noop("User Name"), width=28),
    Column("email", gettext_noop("Email ID"), width=26),
    Column("mobile", gettext_noop("Mobile Number"), width=16),
    Column("state", gettext_noop("State")),
    Column("district", gettext_noop("District")),
    Column("org_name", gettext_noop("Org Name"), width=28),
    Column("school_id", gettext_noop("School Id")),
    Column("school_name", gettext_noop("School Name"), width=32),
    Column("block_name", gettext_noop("Block Name")),
    Column("cluster_name", gettext_noop("Cluster Name")),
    Column("user_type", gettext_noop("User Type"), width=16),
    Column("user_sub_type", gettext_noop("User Sub Type"), width=16),
    Column("declared_board", gettext_noop("Declared Board")),
    Column("enrolment_date", gettext_noop("Enrolment Date"), kind="date", width=16),
    Column("completion_date", gettext_noop("Completion Date"), kind="date", width=16),
    Column("certificate_status", gettext_noop("Certificate Status")),
    Column("progress", gettext_noop("Progress"), kind="integer", width=11),
    Column("total_score", gettext_noop("Total Score"), kind="score", width=12),
)
"""The columns of every report; a column `score_<n>` for each scored content follows."""

# Translators: The header of a column: the scores that people have in one content of the course.
_SCORE_HEADER: Final = gettext_noop("%(content_id)s - Score")


def headers(scored_contents: tuple[str, ...], *, language: str) -> list[str]:
    """Returns the headers of all columns in a language."""
    _ = gettext_in(language)
    fixed = [_(column.header) for column in COLUMNS]
    return fixed + [_(_SCORE_HEADER) % {"content_id": content} for content in scored_contents]
