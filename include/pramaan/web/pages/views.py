"""What the pages show, as records: made from the registry's records, and passed to the templates
unchanged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast

from pramaan.registry.bundled_templates import bundled_templates
from pramaan.registry.issuers import IssuerVersion, list_issuers
from pramaan.web.access import READERS
from pramaan.web.pages.texts import DONE, REASONS

if TYPE_CHECKING:
    from pramaan.database.connect import Connection
    from pramaan.registry.attachments import Attachment
    from pramaan.registry.courses import Course, ListedCourse
    from pramaan.rendering.template import Template
    from pramaan.web.callers import Caller
    from pramaan.web.pages.error_pages import ErrorNotice
    from pramaan.web.pages.forms import CertificateForm, IssuerForm
    from pramaan.web.previews import GroupPreview, PersonPreview

__all__ = [
    "CertificateView",
    "ConfirmView",
    "CourseRow",
    "CourseView",
    "CoursesView",
    "CriteriaView",
    "GroupView",
    "IssuerView",
    "IssuersView",
    "Names",
    "RemoveView",
    "done_text",
]


@dataclass(frozen=True, slots=True)
class CriteriaView:
    """Criteria as the pages show them."""

    recipient_tenants: tuple[str, ...]
    minimum_score: float | None

    @classmethod
    def of(cls, criteria: Mapping[str, object] | None) -> "CriteriaView":
        """Returns the criteria of an attachment."""
        kept = criteria or {}
        tenants = cast(list[str], kept.get("recipient_tenants") or [])
        return cls(tuple(tenants), cast(float | None, kept.get("minimum_score")))


@dataclass(frozen=True, slots=True)
class Names:
    """Titles of templates and names of issuers that the caller may see, by id."""

    templates: dict[str, "Template"]
    issuers: dict[str, IssuerVersion]

    @classmethod
    def seen_by(cls, caller: "Caller", connection: "Connection") -> "Names":
        """Read the names again for each page: both may change while the app runs."""
        issuers = list_issuers(connection, tenants=caller.tenants(*READERS))
        return cls(
            {one.template_id: one for one in bundled_templates()}, {one.issuer_id: one for one in issuers}
        )

    def template(self, template_id: str) -> str:
        """Returns the template's title, or the id of a template that no longer exists."""
        known = self.templates.get(template_id)
        return known.title if known else template_id

    def issuer(self, issuer_id: str) -> str:
        """Returns the issuer's name, or the id of an issuer that the caller may not see."""
        known = self.issuers.get(issuer_id)
        return known.name if known else issuer_id


@dataclass(frozen=True, slots=True)
class CourseRow:
    """A row of the list of courses."""

    course: "Course"
    offers_certificate: bool
    template: str
    issuer: str
    since: datetime | None
    asked: CriteriaView

    @classmethod
    def of(cls, listed: "ListedCourse", names: Names) -> "CourseRow":
        """Returns the row of a course, with what it offers in words."""
        return cls(
            listed,
            listed.offers_certificate,
            names.template(listed.template_id or ""),
            names.issuer(listed.issuer_id or ""),
            listed.valid_from,
            CriteriaView.of(listed.criteria),
        )


@dataclass(frozen=True, slots=True)
class CoursesView:
    """A page of the list of courses."""

    rows: list[CourseRow]
    search: str
    offers: str
    is_first: bool
    next_after: str | None


@dataclass(frozen=True, slots=True)
class CertificateView:
    """A version of a course's certificate."""

    template_id: str
    template: str
    is_newest_template: bool
    issuer: str
    issuer_id: str
    issuer_version: int
    asked: CriteriaView
    notifies: bool
    since: datetime
    until: datetime | None
    by: str
    at: datetime
    reason: str | None
    is_in_force: bool

    @classmethod
    def of(cls, attachment: "Attachment", names: Names, *, is_in_force: bool) -> "CertificateView":
        """Returns the view of a version."""
        newest = names.templates.get(attachment.template_id)
        return cls(
            attachment.template_id,
            names.template(attachment.template_id),
            newest is None or newest.version == attachment.template_version,
            names.issuer(attachment.issuer_id),
            attachment.issuer_id,
            attachment.issuer_version,
            CriteriaView.of(attachment.criteria),
            attachment.notify_recipients,
            attachment.valid_from,
            attachment.valid_to,
            attachment.asserted_by,
            attachment.asserted_at,
            attachment.reason,
            is_in_force,
        )


@dataclass(frozen=True, slots=True)
class CourseView:
    """A course: the certificate in force, the form to change it, and the history."""

    course: "Course"
    is_published: bool
    may_change: bool
    in_force: CertificateView | None
    history: list[CertificateView]
    templates: list["Template"]
    issuers: list[IssuerVersion]
    form: "CertificateForm"
    csrf_token: str
    error_notice: "ErrorNotice | None"
    done: str | None


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group of the preview: who would get the certificate, and how many others would not, by reason."""

    total: int
    would_get: int
    would_not_get: int
    getting: tuple["PersonPreview", ...]
    others: tuple[tuple[str, int, tuple["PersonPreview", ...]], ...]

    @classmethod
    def of(cls, group: "GroupPreview") -> "GroupView":
        """Returns the view of a group, with its reasons in words."""
        entitled = next((one for one in group.decisions if one.decision == "entitled"), None)
        others = [one for one in group.decisions if one.decision != "entitled"]
        people = tuple(entitled.listed) if entitled else ()
        counted = tuple((REASONS[one.decision], one.people, tuple(one.listed)) for one in others)
        if group.entitled_otherwise:
            earned = people if not group.would_get else ()
            counted += ((REASONS["entitled"], group.entitled_otherwise, earned),)
        return cls(
            group.total, group.would_get, group.would_not_get, people if group.would_get else (), counted
        )


@dataclass(frozen=True, slots=True)
class ConfirmView:
    """The effect of asserting or replacing, before it is done. A group is None when the preview failed."""

    course: "Course"
    in_force: CertificateView | None
    template: str
    issuer: str
    asked: CriteriaView
    in_progress: GroupView | None
    completed: GroupView | None
    form: "CertificateForm"
    seen: str
    csrf_token: str

    @property
    def is_update(self) -> bool:
        """Whether a certificate is in force already."""
        return self.in_force is not None


@dataclass(frozen=True, slots=True)
class RemoveView:
    """The effect of removing; `losing` people in progress would get a certificate now (None: unknown)."""

    course: "Course"
    in_force: CertificateView
    losing: int | None
    in_progress: int | None
    seen: str
    csrf_token: str


@dataclass(frozen=True, slots=True)
class IssuersView:
    """The issuers of the caller's tenants; `tenants` are those where the caller may add one (None: any)."""

    issuers: list[IssuerVersion]
    may_add: bool
    tenants: list[str] | None
    form: "IssuerForm"
    csrf_token: str
    error_notice: "ErrorNotice | None"
    done: str | None


@dataclass(frozen=True, slots=True)
class IssuerView:
    """An issuer, to be read or changed."""

    issuer: IssuerVersion
    may_change: bool
    form: "IssuerForm"
    csrf_token: str
    error_notice: "ErrorNotice | None"
    done: str | None


def done_text(code: str | None) -> str | None:
    """Returns the text for a completed action; None for an unknown code."""
    return DONE.get(code or "")
