"""Mails as people read them: in their language and direction, and nothing but one mail."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import cast

import jinja2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mail_servers import SENDER, certificate_issued, content_of
from pydantic import ValidationError

from pramaan.localisation import LANGUAGES
from pramaan.mail.addresses import Sender
from pramaan.mail.ledger import Claimed
from pramaan.mail.messages import KINDS, Content, HeldCourse, HoldNotice, compose

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "mail"
HEADERS = ["From", "To", "Reply-To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version"]
HOLD = HoldNotice(
    hold_id=7,
    held=(
        HeldCourse(course_id="do_1", rule="volume", why="1,200 candidates; usual are 40", candidates=1200),
        HeldCourse(course_id="do_2", rule="age", why="the oldest completion is <90> days old", candidates=3),
    ),
    approval_url="http://127.0.0.1:18080/required_actions",
)


def claimed(content: Content, *, language: str = "en", to: str = "asha@example.org") -> Claimed:
    """A mail as a sender claims it."""
    mail = content.mail(subject_key="key", recipients=(to,), language=language)
    return Claimed(
        mail_id=1,
        kind=mail.kind,
        recipients=list(mail.recipients),
        language=mail.language,
        content=dict(mail.content),
        message_id="<0123456789abcdef0123456789abcdef@example.org>",
        attempt=1,
        queued_at=datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
    )


def sent(mail: Claimed, *, sender: Sender = SENDER) -> EmailMessage:
    """The mail as it is read by whoever gets it."""
    content = compose(mail, sender=sender, public_url="https://x.example/pramaan").as_bytes()
    content.decode("ascii")
    return cast(EmailMessage, message_from_bytes(content, policy=default))


def test_urdu_is_written_from_right_to_left() -> None:
    mail = sent(claimed(certificate_issued(recipient_name="محمد عارف", course_name="اردو"), language="ur-PK"))

    assert mail["Subject"] == "آپ کا سرٹیفکیٹ: اردو"
    assert mail["Content-Language"] == "ur"
    assert "مبارک ہو، محمد عارف!" in content_of(mail, "plain")
    assert '<html lang="ur" dir="rtl">' in content_of(mail, "html")
    assert "<bdi>محمد عارف</bdi>" in content_of(mail, "html")
    assert "https://x.example/pramaan/verify/c1" in content_of(mail, "plain")


def test_tamil_is_read_as_it_was_written() -> None:
    course = "அடிப்படைக் கணிதம் கற்பித்தல்: ஆசிரியர்களுக்கான பயிற்சி"
    mail = sent(claimed(certificate_issued(recipient_name="முத்துலட்சுமி", course_name=course), language="ta"))

    assert mail["Subject"] == f"உங்கள் சான்றிதழ்: {course}"
    assert content_of(mail, "plain").splitlines()[0] == "வாழ்த்துகள், முத்துலட்சுமி!"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_its_own_words(language: str) -> None:
    mail = sent(claimed(certificate_issued(), language=language))
    english = sent(claimed(certificate_issued()))

    assert (mail["Subject"] == english["Subject"]) == (language == "en")
    for part in ("plain", "html"):
        assert "Asha Rao" in content_of(mail, part)
        assert "The Board" in content_of(mail, part)
        assert ("Congratulations" in content_of(mail, part)) == (language == "en")


@pytest.mark.parametrize("language", ["fr", "", "hi_IN", "x" * 5000])
def test_a_language_that_is_not_ours_is_english(language: str) -> None:
    assert sent(claimed(certificate_issued(), language=language))["Content-Language"] == "en"


def test_the_team_learns_what_is_held_and_how_to_let_it_pass() -> None:
    mail = sent(claimed(HOLD, to="team@example.org"))

    assert mail["Subject"] == "Pramaan holds 1203 certificates of 2 courses: please decide"
    assert mail["Reply-To"] is None
    for part in ("plain", "html"):
        text = content_of(mail, part)
        assert all(word in text for word in ("do_1", "volume", "1200", "do_2", "age", "required_actions"))
        assert "pramaan gate approve 7" in text
    assert "is &lt;90&gt; days" in content_of(mail, "html")
    assert "is <90> days" in content_of(mail, "plain")


def test_the_same_mail_gives_the_same_bytes() -> None:
    one, two = (compose(claimed(HOLD), sender=SENDER, public_url="http://x").as_bytes() for _ in range(2))
    assert one == two


TEXT = st.text(st.characters(), min_size=1, max_size=60)


@given(name=TEXT, course=TEXT, language=st.sampled_from(sorted(LANGUAGES)))
@example(name="A\r\nBcc: thief@example.org\r\n\r\nhi", course="B\nSubject: X", language="hi")
@example(name="=?utf-8?q?A=0D=0ABcc:_x?=", course="=?utf-8?b?DQpCY2M6IHg=?=", language="ta")
@example(name="\ud800x", course="\u2028Bcc: x\u0085y\x0b\x0cz\x1c", language="ur")
@example(name="{{ 7*7 }}%(name)s%s%", course="</title><script>alert(1)</script>", language="en")
def test_no_text_adds_a_header_a_part_or_markup(name: str, course: str, language: str) -> None:
    try:
        content = certificate_issued(recipient_name=name, course_name=course)
    except ValidationError:
        return
    mail = sent(claimed(content, language=language), sender=Sender(name, "a@example.org"))

    assert [header for header in mail if not header.startswith("Content-")] == HEADERS
    assert mail["To"] == "asha@example.org"
    assert len(mail["From"].addresses) == 1
    assert mail["From"].addresses[0].addr_spec == "a@example.org"
    assert [part.get_content_type() for part in mail.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    assert "<script" not in content_of(mail, "html")
    assert not {"\r", "\n"} & set(mail["Subject"])
    assert not {"\r", "\n"} & set(mail["From"].addresses[0].display_name)


def test_a_turned_direction_cannot_hide_an_address() -> None:
    content = certificate_issued(recipient_name="Asha\u202e\u2066moc", course_name="क\u094d\u200dष")
    assert content.recipient_name == "Ashamoc"
    assert content.course_name == "क\u094d\u200dष"


@pytest.mark.parametrize("name", ["", " ", "\r\n", "\u202e"])
def test_a_mail_without_a_name_is_not_made(name: str) -> None:
    with pytest.raises(ValidationError):
        certificate_issued(recipient_name=name)


@pytest.mark.parametrize("email", ["", "board", "a@b, c@d", "x\r\nBcc: y@z.org"])
def test_answers_to_no_address_go_to_the_sender(email: str) -> None:
    assert sent(claimed(certificate_issued(issuer_email=email)))["Reply-To"] is None


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_three_templates_and_no_other(kind: str) -> None:
    names = {path.name for path in (TEMPLATES / kind).iterdir()}
    assert names == {"subject.txt", "mail.txt", "mail.html"}


def test_every_template_has_its_kind() -> None:
    assert {path.name for path in TEMPLATES.iterdir() if path.is_dir()} == KINDS.keys()


def test_a_template_that_asks_for_what_there_is_not_stops_the_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HoldNotice, "kind", "certificate_issued")
    with pytest.raises((jinja2.UndefinedError, ValidationError)):
        sent(claimed(HOLD))
