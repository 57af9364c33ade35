"""Mails as people read them: in their language and direction, and nothing but one mail."""

import tracemalloc
from collections.abc import Sequence
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
from pydantic import ValidationError

from mail_servers import SENDER, certificate_issued, content_of
from pramaan.certificates.mails import HeldCourse, HoldNotice
from pramaan.freshness import OverdueFeed, StaleFeeds
from pramaan.localisation import LANGUAGES
from pramaan.mail.addresses import Sender
from pramaan.mail.ledger import ClaimedMail
from pramaan.mail.messages import Content, MailFile, compose, encoded_bytes
from pramaan.reports.mails import ProgressReport, ReportFailed, ReportLate
from pramaan.stages.mailing import ALL_MAILS

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "mail"
HEADERS = ["From", "To", "Reply-To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version"]
PART_HEADERS = {"content-type", "content-transfer-encoding", "content-disposition", "mime-version"}
HOLD = HoldNotice(
    hold_id=7,
    held=(
        HeldCourse(course_id="do_1", rule="volume", why="1,200 candidates; usual are 40", candidates=1200),
        HeldCourse(course_id="do_2", rule="age", why="the oldest completion is <90> days old", candidates=3),
    ),
    approval_url="http://127.0.0.1:18080/required_actions",
)

REPORT = {
    "request_id": "0b8f8f0e-3c1e-4c0e-9a57-0d2f0a4f6f11",
    "batch_id": "B-7",
    "batch_name": "Batch of June",
    "course_name": "Reading & Writing",
    "as_of": "2026-01-31T09:30:00Z",
    "timezone": "Asia/Kolkata",
    "enrolled": 112_345,
    "in_progress": 40_210,
    "completed": 61_002,
    "certificates_issued": 60_998,
    "downloaded": 31_870,
    "path": "reports/x.1.zip",
    "file_name": "progress.zip",
    "file_bytes": 34_500_000,
    "is_encrypted": False,
    "link": "https://x.example/pramaan/reports/token",
    "link_days": 7,
}
ZIP = MailFile("progress.zip", "application/zip", bytes(range(256)) * 20)
FAILED = ReportFailed(
    request_id="0b8f8f0e-3c1e-4c0e-9a57-0d2f0a4f6f11",
    batch_id="B-7",
    requested_at=datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
    timezone="Asia/Kolkata",
    reason="The batch is no longer there.",
)
LATE = ReportLate(
    request_id="0b8f8f0e-3c1e-4c0e-9a57-0d2f0a4f6f11",
    stage="late",
    batch_id="B-7",
    state="built, not sent",
    requested_at=datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
    error="451 4.7.1 try again later",
)


STALE = StaleFeeds(
    feeds=(
        OverdueFeed(
            feed="progress",
            loaded_at=datetime(2026, 1, 20, 9, 30, tzinfo=UTC),
            days=11,
            allowed_days=7,
            is_error=True,
        ),
        OverdueFeed(
            feed="users",
            loaded_at=datetime(2026, 1, 28, 9, 30, tzinfo=UTC),
            days=3,
            allowed_days=2,
            is_error=False,
        ),
    )
)


def report(**changed: object) -> ProgressReport:
    """The progress report of a batch."""
    return ProgressReport.model_validate(REPORT | changed)


def claimed(content: Content, *, language: str = "en", to: str = "asha@example.org") -> ClaimedMail:
    """A mail as a sender claims it."""
    mail = content.mail(subject_key="key", recipients=(to,), language=language)
    return ClaimedMail(
        mail_id=1,
        kind=mail.kind,
        subject_key=mail.subject_key,
        recipients=list(mail.recipients),
        language=mail.language,
        content=dict(mail.content),
        message_id="<0123456789abcdef0123456789abcdef@example.org>",
        attempt=1,
        queued_at=datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
        attempted_at=datetime(2026, 1, 31, 9, 31, tzinfo=UTC),
    )


def composed(
    mail: ClaimedMail,
    *,
    sender: Sender = SENDER,
    public_url: str = "http://x",
    files: Sequence[MailFile] = (),
) -> bytes:
    """The message of a mail."""
    return compose(mail, kind=ALL_MAILS[mail.kind], sender=sender, public_url=public_url, files=files)


def sent(mail: ClaimedMail, *, sender: Sender = SENDER, files: Sequence[MailFile] = ()) -> EmailMessage:
    """The mail as it is read by whoever gets it."""
    content = composed(mail, sender=sender, public_url="https://x.example/pramaan", files=files)
    content.decode("ascii")
    return cast(EmailMessage, message_from_bytes(content, policy=default))


def test_feeds_that_have_stopped_coming_are_named_with_their_age() -> None:
    mail = sent(claimed(STALE, to="team@example.org"))

    assert mail["Subject"] == "Feeds have stopped coming: progress, users"
    text = " ".join(content_of(mail, "plain").split())
    assert (
        "progress last came 2026-01-20T09:30:00Z, 11 days ago awaited every 7 days somebody has to act"
        in text
    )
    assert text.count("somebody has to act") == 1
    assert content_of(mail, "html").count("somebody has to act") == 1


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


def test_a_report_says_in_figures_what_is_in_it_and_of_when() -> None:
    mail = sent(claimed(report()), files=[ZIP])

    assert mail["Subject"] == "Progress report: Batch of June"
    assert [part.get_content_type() for part in mail.walk()] == [
        *("multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/zip")
    ]
    for part in ("plain", "html"):
        text = content_of(mail, part)
        figures = ("1,12,345", "40,210", "61,002", "60,998", "31,870")
        assert all(figure in text for figure in figures)
        assert "31 January 2026, 15:00 (Asia/Kolkata)" in text
        assert "The report is attached" in text
        assert REPORT["request_id"] in text
        assert "password" not in text
        assert "Nobody is enrolled" not in text
    assert "Reading &amp; Writing" in content_of(mail, "html")
    assert "Reading & Writing" in content_of(mail, "plain")
    (zipped,) = mail.iter_attachments()
    assert zipped.get_content() == ZIP.content
    assert (zipped.get_filename(), zipped["Content-Transfer-Encoding"]) == ("progress.zip", "base64")
    assert zipped.get_content_disposition() == "attachment"


def test_a_report_without_its_file_says_where_it_is_and_for_how_long() -> None:
    mail = sent(claimed(report(is_encrypted=True)))

    assert not list(mail.iter_attachments())
    for part in ("plain", "html"):
        text = content_of(mail, part)
        assert "too large to attach" in text
        assert "34.5 MB" in text
        assert "https://x.example/pramaan/reports/token" in text
        assert "7 February 2026, 15:00 (Asia/Kolkata)" in text
        assert "the password that you set" in text


def test_a_report_of_nobody_says_so() -> None:
    nobody = dict.fromkeys(("enrolled", "in_progress", "completed", "certificates_issued", "downloaded"), 0)
    mail = sent(claimed(report(**nobody)), files=[ZIP])
    for part in ("plain", "html"):
        assert "Nobody is enrolled in this batch." in content_of(mail, part)


def test_a_batch_whose_name_cannot_be_seen_goes_by_its_id() -> None:
    assert sent(claimed(report(batch_name="\u202e", course_name="\t")))["Subject"] == "Progress report: B-7"


def test_a_report_in_urdu_keeps_names_and_figures_apart_from_its_direction() -> None:
    mail = sent(claimed(report(batch_name="Batch (7)"), language="ur"), files=[ZIP])
    html = content_of(mail, "html")
    assert '<div lang="ur" dir="rtl"' in html
    assert "<bdi>Batch (7)</bdi>" in html
    assert 'align="left"' in html
    assert mail["Content-Language"] == "ur"


@pytest.mark.parametrize(
    ("count", "shown"), [(2, "0 kB"), (960, "1 kB"), (12_340, "12.3 kB"), (999_999, "1,000 kB"),
                         (1_280_000, "1.3 MB"), (9_990_000, "10 MB"), (250_000_000, "250 MB")]
)  # fmt: skip
def test_a_size_is_told_as_people_do(count: int, shown: str) -> None:
    text = content_of(sent(claimed(report(file_bytes=count))), "plain")
    assert f"({shown})" in text


@pytest.mark.parametrize(
    ("stage", "subject"),
    [
        ("late", "Report late: batch B-7 has waited 20 minutes"),
        ("breached", "Report SLA breached: batch B-7 has waited 30 minutes"),
    ],
)
def test_the_team_learns_which_report_is_late_and_why(stage: str, subject: str) -> None:
    mail = sent(claimed(LATE.model_copy(update={"stage": stage}), to="team@example.org"))

    assert mail["Subject"] == subject
    for part in ("plain", "html"):
        text = content_of(mail, part)
        known = (LATE.request_id, "B-7", "built, not sent", "2026-01-31T09:30:00Z", "451 4.7.1")
        assert all(word in text for word in known)


@pytest.mark.parametrize("language", ["en", "hi", "ur"])
def test_who_asked_is_told_that_no_report_comes(language: str) -> None:
    mail = sent(claimed(FAILED, language=language))
    for kind in ("plain", "html"):
        for known in (FAILED.request_id, "B-7", FAILED.reason, "2026", "15:00"):
            assert known in content_of(mail, kind)
    assert list(mail.iter_attachments()) == []


def test_a_report_that_is_late_without_an_error_says_that() -> None:
    mail = sent(claimed(LATE.model_copy(update={"error": None}), to="team@example.org"))
    assert "Last error   none" in content_of(mail, "plain")


def test_the_same_report_gives_the_same_bytes() -> None:
    one, two = (composed(claimed(report()), files=[ZIP]) for _ in range(2))
    assert one == two


@pytest.mark.parametrize("file_bytes", [0, 1, 56, 57, 58, 5 * 57])
def test_it_is_known_how_much_room_a_file_takes(file_bytes: int) -> None:
    one, other = (
        composed(claimed(report()), files=[MailFile("progress.zip", "application/zip", content)])
        for content in (b"x" * file_bytes, b"")
    )
    assert len(one) - len(other) == encoded_bytes(file_bytes)


def test_several_files_each_stay_what_they_are() -> None:
    files = [ZIP, MailFile("=_content", "text/csv", b"\r\n\r\n=_content\r\n"), ZIP]
    mail = sent(claimed(report(batch_name="=_content")), files=files)
    # As bytes, also where it is text.
    contents = [cast(bytes, part.get_payload(decode=True)) for part in mail.iter_attachments()]
    assert contents == [file.content for file in files]


def test_a_file_and_its_message_take_little_more_memory_than_they_are_large() -> None:
    file = MailFile("progress.zip", "application/zip", bytes(15_000_000))
    composed(claimed(report()))  # what is kept from then on
    tracemalloc.start()
    try:
        message = composed(claimed(report()), files=[file])
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(file.content) + peak_bytes < 2 * len(message)


def test_the_same_mail_gives_the_same_bytes() -> None:
    one, two = (composed(claimed(HOLD)) for _ in range(2))
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


@given(name=TEXT, file_name=TEXT, language=st.sampled_from(sorted(LANGUAGES)))
@example(name="A\r\nBcc: thief@example.org\r\n\r\nhi", file_name='x"\r\nBcc: y@z.org\r\n\r\n', language="hi")
@example(name="=?utf-8?q?A=0D=0ABcc:_x?=", file_name="=?utf-8?b?DQpCY2M6IHg=?=.zip", language="ta")
@example(name="\u2028Bcc: x", file_name='रिपोर्ट "जून"; filename=x.exe', language="ur")
@example(name="</title><script>alert(1)</script>", file_name="../../" + "x" * 50, language="en")
def test_no_name_in_a_report_adds_a_header_a_part_or_markup(name: str, file_name: str, language: str) -> None:
    try:
        content = report(batch_id=name, batch_name=name, course_name=name, file_name=file_name)
    except ValidationError:
        return
    attachment = MailFile(file_name, ZIP.media_type, ZIP.content)
    mail = sent(claimed(content, language=language), files=[attachment])

    headers = [header for header in mail if not header.startswith("Content-")]
    assert headers == [header for header in HEADERS if header != "Reply-To"]
    assert mail["To"] == "asha@example.org"
    assert [part.get_content_type() for part in mail.walk()] == [
        *("multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/zip")
    ]
    (zipped,) = mail.iter_attachments()
    assert zipped.get_content() == ZIP.content
    assert {header for header in zipped if header.lower() not in PART_HEADERS} == set()
    assert not {"\r", "\n"} & set(zipped.get_filename() or "")
    assert "<script" not in content_of(mail, "html")
    assert not {"\r", "\n"} & set(mail["Subject"])


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


@pytest.mark.parametrize("kind", ALL_MAILS)
def test_every_kind_has_its_three_templates_and_no_other(kind: str) -> None:
    names = {path.name for path in (TEMPLATES / kind).iterdir()}
    assert names == {"subject.txt", "mail.txt", "mail.html"}


def test_every_template_has_its_kind() -> None:
    assert {path.name for path in TEMPLATES.iterdir() if path.is_dir()} == ALL_MAILS.keys()


def test_a_template_that_asks_for_what_there_is_not_stops_the_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HoldNotice, "kind", "certificate_issued")
    with pytest.raises((jinja2.UndefinedError, ValidationError)):
        sent(claimed(HOLD))
