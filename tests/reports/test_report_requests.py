"""Who may have which report sent where, and what the ledger says of it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest
from reported import MENTOR, OPERATOR, ago, batch_of, line, wanted

from pramaan.database.connect import Connection, connect
from pramaan.database.wake import CHANNEL
from pramaan.errors import ReportError, SettingsError
from pramaan.pipeline import Pipeline
from pramaan.registry.grants import Grant
from pramaan.reports.requests import Requester, RequestRules
from pramaan.reports.service import ReportService
from pramaan.settings import Settings
from shared_home import Keep
from worlds import database_url


@pytest.fixture
def origin(keep: Keep) -> str:
    """A batch of three people."""
    return keep("three_people", _three_people)


def _three_people(settings: Settings) -> None:
    url = database_url(settings)
    with connect(url) as connection, TemporaryDirectory() as folder:
        batch_of(settings, Pipeline(settings, url=url), connection, Path(folder), people=3)


@pytest.fixture
def service(settings: Settings) -> ReportService:
    """Reports of that batch; only example.org may get them."""
    strict = settings.model_copy(update={"report_domains": "example.org, Schools.example.net"})
    return ReportService(strict, url=database_url(settings))


def rejection(
    service: ReportService, connection: Connection, requester: Requester, **asked: str | None
) -> str:
    with pytest.raises(ReportError) as refused:
        service.ask(connection, requester, wanted(**asked), channel="api")  # type: ignore[arg-type]
    assert connection.execute("select count(*) from ops.report_requests").fetchone() == (0,)
    return refused.value.code


def test_a_request_is_a_line_before_anything_else(service: ReportService, connection: Connection) -> None:
    begun = datetime.now(UTC)
    request = line(connection, service.ask(connection, MENTOR, wanted(), channel="api"))

    assert (request.status, request.batch_id, request.requested_by) == ("requested", "b", "meera")
    assert (request.email, request.by_operator, request.expected_rows) == ("meera@example.org", False, 3)
    assert begun <= request.requested_at <= datetime.now(UTC)


def test_asking_wakes_whoever_builds(
    service: ReportService, connection: Connection, settings: Settings
) -> None:
    with connect(database_url(settings)) as listening:
        listening.execute(f"listen {CHANNEL}")
        service.ask(connection, MENTOR, wanted(), channel="api")
        assert any(True for _ in listening.notifies(timeout=600, stop_after=1))


@pytest.mark.parametrize("batch_id", ["nothing", "", "b\x00", "b' or true --", "ब"])
def test_a_batch_that_is_not_known_is_not_found(
    service: ReportService, connection: Connection, batch_id: str
) -> None:
    assert rejection(service, connection, MENTOR, batch_id=batch_id) == "batch_not_found"


def test_another_tenants_batch_looks_like_none(service: ReportService, connection: Connection) -> None:
    stranger = Requester("sita", ["u"], "sita@example.org")
    assert rejection(service, connection, stranger) == "batch_not_found"


def test_a_grant_as_mentor_or_admin_opens_a_tenants_batches() -> None:
    assert Requester.of("m", [Grant("m", "mentor", "t", "m@example.org")]) == Requester(
        "m", ["t"], "m@example.org"
    )
    assert Requester.of("m", [Grant("m", "admin", None)]).tenants is None
    assert Requester.of("m", [Grant("m", "viewer", "t"), Grant("m", "portal", None)]).tenants == []


@pytest.mark.parametrize(
    "email", ["other@example.org", "other@schools.example.net", "Meera@example.org", "meera@EXAMPLE.org"]
)
def test_an_allowed_domain_may_get_it(service: ReportService, connection: Connection, email: str) -> None:
    request = service.ask(connection, MENTOR, wanted(email=email), channel="api")
    assert line(connection, request).email == email


@pytest.mark.parametrize("email", ["other@example.com", "other@sub.example.org", "o@example.org.evil.net"])
def test_no_other_domain_may(service: ReportService, connection: Connection, email: str) -> None:
    assert rejection(service, connection, MENTOR, email=email) == "email_not_allowed"


def test_ones_own_address_may_whatever_its_domain(service: ReportService, connection: Connection) -> None:
    requester = Requester("ravi", ["t"], "ravi@elsewhere.example")
    request = service.ask(connection, requester, wanted(), channel="api")
    assert line(connection, request).email == "ravi@elsewhere.example"


def test_whoever_sits_at_the_machine_may_send_anywhere(
    service: ReportService, connection: Connection
) -> None:
    request = service.ask(connection, OPERATOR, wanted(email="a@anywhere.example"), channel="cli")
    assert line(connection, request).by_operator


@pytest.mark.parametrize(
    "email",
    [
        "nobody",
        "a@example.org\r\nBcc: b@example.org",
        "a@example.org,b@example.org",
        "é@example.org",
        "a b@c.org",
    ],
)
def test_an_address_that_is_none_is_refused(
    service: ReportService, connection: Connection, email: str
) -> None:
    assert rejection(service, connection, MENTOR, email=email) == "email_not_usable"


def test_without_any_address_one_is_needed(service: ReportService, connection: Connection) -> None:
    assert rejection(service, connection, Requester("ravi", ["t"])) == "email_needed"


@pytest.mark.parametrize("password", ["short", "x" * 129, "line\nbreak", ""])
def test_a_password_nobody_should_use_is_refused(
    service: ReportService, connection: Connection, password: str
) -> None:
    assert rejection(service, connection, MENTOR, password=password) == "password_not_usable"


def test_a_password_is_kept_encrypted(service: ReportService, connection: Connection) -> None:
    request = service.ask(connection, MENTOR, wanted(password="correct horse"), channel="api")
    row = connection.execute(
        "select encrypted_password, r::text from ops.report_requests r where request_id = %s", (request,)
    ).fetchone()
    assert row is not None
    encrypted, everything = row
    assert service.key.decrypt(bytes(encrypted)) == "correct horse"  # type: ignore[arg-type]
    assert "correct horse" not in str(everything)


def test_the_same_asked_twice_is_under_way(service: ReportService, connection: Connection) -> None:
    service.ask(connection, MENTOR, wanted(), channel="api")
    with pytest.raises(ReportError) as refused:
        service.ask(connection, MENTOR, wanted(), channel="page")
    assert refused.value.code == "report_already_running"
    service.ask(connection, MENTOR, wanted("b2"), channel="api")
    service.ask(connection, Requester("ravi", ["t"], "ravi@example.org"), wanted(), channel="api")


def test_the_same_asked_at_once_is_written_once(service: ReportService, settings: Settings) -> None:
    def ask(_: int) -> str:
        with connect(database_url(settings)) as own:
            try:
                service.ask(own, MENTOR, wanted(), channel="api")
            except ReportError as error:
                return error.code
            return "asked"

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(ask, range(8)))
    assert answers == ["asked"] + ["report_already_running"] * 7


def test_who_asks_too_often_waits(service: ReportService, connection: Connection, settings: Settings) -> None:
    twice = settings.model_copy(update={"reports_per_hour": 2})
    service = ReportService(twice, url=database_url(settings))
    first = service.ask(connection, MENTOR, wanted("b"), channel="api")
    service.ask(connection, MENTOR, wanted("b2"), channel="api")
    connection.execute("update ops.report_requests set status = 'sent', handed_over_at = now()")
    with pytest.raises(ReportError) as refused:
        service.ask(connection, MENTOR, wanted(), channel="api")
    assert refused.value.code == "too_many_reports"
    ago(connection, first, minutes=61, column="entered_at")
    service.ask(connection, MENTOR, wanted(), channel="api")


def test_an_instant_to_come_counts_as_now(service: ReportService, connection: Connection) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    earlier = datetime.now(UTC) - timedelta(minutes=3)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    one = service.ask(connection, MENTOR, wanted(), channel="airflow", requested_at=later)
    other = service.ask(connection, MENTOR, wanted("b2"), channel="airflow", requested_at=earlier)
    assert line(connection, one).requested_at <= datetime.now(UTC)
    assert line(connection, other).requested_at == earlier
    third = Requester("ravi", ["t"], "ravi@example.org")
    begun = datetime.now(UTC)
    request = service.ask(connection, third, wanted(), channel="airflow", requested_at=long_ago)
    assert begun - timedelta(minutes=61) < line(connection, request).requested_at


def test_the_same_run_asks_once_however_often_it_is_tried(
    service: ReportService, connection: Connection
) -> None:
    by_run = UUID(int=7)
    for status in ("requested", "sent"):
        assert service.ask(connection, MENTOR, wanted(), channel="airflow", request_id=by_run) == by_run
        connection.execute("update ops.report_requests set status = %s, handed_over_at = now()", (status,))
    assert service.ask(connection, MENTOR, wanted(), channel="airflow", request_id=by_run) == by_run
    assert connection.execute("select count(*) from ops.report_requests").fetchone() == (1,)


@pytest.mark.parametrize("email", ["a%evil.net@example.org", "evil.net!a@example.org", "|sh@example.org"])
def test_an_address_that_leads_on_to_another_server_is_refused(
    service: ReportService, connection: Connection, email: str
) -> None:
    assert rejection(service, connection, MENTOR, email=email) == "email_not_usable"


@pytest.mark.parametrize(
    ("smtp_url", "domains", "allowed"),
    [
        (None, "", None),
        ("smtp://127.0.0.1:2525", "", frozenset()),
        ("smtp://mail.example.org:587", "", frozenset()),
        ("smtp://127.0.0.1:2525", "@Example.org", frozenset({"example.org"})),
    ],
)
def test_without_domains_only_what_the_embedded_server_takes_may_go_anywhere(
    smtp_url: str | None, domains: str, allowed: frozenset[str] | None
) -> None:
    settings = Settings(smtp_url=smtp_url, report_domains=domains)  # type: ignore[arg-type]
    assert RequestRules.of(settings).domains == allowed


def test_domains_that_are_none_are_named() -> None:
    with pytest.raises(SettingsError, match="PRAMAAN_REPORT_DOMAINS"):
        RequestRules.of(Settings(report_domains="example.org, not a domain"))


def test_a_link_leads_to_its_report_alone_and_expires(service: ReportService, connection: Connection) -> None:
    request = service.ask(connection, MENTOR, wanted(), channel="api")
    token = service.key.link_token(request, requested_by="meera")
    assert service.key.read_link_token(token) == (request, "meera")
    body, dated, signature = token.split(".")
    for forged in (
        "",
        "x",
        f"{body}.{dated}.{signature[:-1]}",
        f"{body[:-2]}AA.{dated}.{signature}",
        "a.b.c",
        "\x00",
    ):
        assert service.key.read_link_token(forged) is None
