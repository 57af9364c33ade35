"""The mails about certificates: to recipients, and to the team about what the gate holds."""

from typing import Annotated, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from pramaan.mail.addresses import is_sendable
from pramaan.mail.messages import Content, Kinds, Line

__all__ = ["CERTIFICATE_MAILS", "CertificateIssued", "HeldCourse", "HoldNotice"]


class CertificateIssued(Content):
    """To a teacher: your certificate is there."""

    kind: ClassVar[str] = "certificate_issued"

    recipient_name: Line
    course_name: Line
    issuer_name: Line
    issuer_email: str | None = None
    certificate_id: Line

    @property
    def reply_to(self) -> str | None:
        """The issuer: a machine reads no answers."""
        return self.issuer_email if self.issuer_email and is_sendable(self.issuer_email) else None


class HeldCourse(BaseModel):
    """A course that the gate holds back, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    course_id: Line
    rule: Line
    why: Line
    candidates: int


class HoldNotice(Content):
    """To the implementation team, in English: certificates are held until somebody decides."""

    kind: ClassVar[str] = "hold_notice"
    is_urgent: ClassVar[bool] = True

    hold_id: int
    held: Annotated[tuple[HeldCourse, ...], Field(min_length=1)]
    approval_url: Line

    @property
    def candidates(self) -> int:
        """How many certificates are held in all."""
        return sum(one.candidates for one in self.held)


CERTIFICATE_MAILS: Final[Kinds] = {kind.kind: kind for kind in (CertificateIssued, HoldNotice)}
