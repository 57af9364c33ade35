"""The page of reports over HTTP: what it shows of each state, what its forms do, what they refuse."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pages_worlds import Form, Page, assert_sound, open_page, send
from test_pages import COMMON_HEADERS, HOSTILE, aged_token, refused
from web_report_worlds import MEERA, asked, every_state, give_addresses, request_of, sent
from web_worlds import World, by_cookie, open_api

from pramaan.reports.ledger import list_requests
from pramaan.reports.schedules import list_schedules

PASSWORD = "correct-horse-9"


@pytest.fixture
def mentors(two_tenants: World) -> World:
    """Two tenants, whose mentors and admins are known with their addresses."""
    give_addresses(two_tenants)
    return two_tenants


def form_of(world: World, caller: str = "mentor_t", query: str = "") -> Form:
    """The form to ask for a report."""
    page = open_page(world.api, caller, f"/reports{query}")
    return next(one for one in page.forms if one.method == "post" and "when" in one.fields)


def ask(world: World, caller: str = "mentor_t", **values: str) -> Any:
    """The answer to the form, filled in."""
    return send(world.api, caller, form_of(world, caller), **{"batch_id": "reading-t", **values})


# Asking


def test_a_report_is_asked_for_from_the_page_and_followed_on_it(mentors: World) -> None:
    answer = ask(mentors, password=PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (
        303, "/pramaan/certificates/reports?done=report_asked"
    )  # fmt: skip
    (request,) = list_requests(mentors.connection)
    assert (request.requested_by, request.channel, request.email, request.format, request.language) == (
        "mentor_t", "page", MEERA, "xlsx", "en"
    )  # fmt: skip
    page = open_page(mentors.api, "mentor_t", "/reports?done=report_asked")
    assert "The report is asked for. It comes by mail within 30 minutes." in page.text
    assert [given["content"] for tag, given in page.tags if given.get("http-equiv") == "refresh"] == ["5"]
    assert page.forms == []
    assert "Ask for another report" in page.text
    sent(mentors, request.request_id)
    after = open_page(mentors.api, "mentor_t", "/reports?done=report_asked")
    assert not [given for _, given in after.tags if given.get("http-equiv") == "refresh"]
    assert after.forms
    assert PASSWORD not in page.html + after.html


def test_nothing_is_loaded_again_while_a_form_could_be_filled_in(mentors: World) -> None:
    asked(mentors)
    page = open_page(mentors.api, "mentor_t", "/reports")
    assert page.forms
    assert not [given for _, given in page.tags if given.get("http-equiv") == "refresh"]
    assert "Look again" in page.text


def test_the_form_is_there_with_ones_own_address_and_in_the_pages_language(mentors: World) -> None:
    form = form_of(mentors, query="?language=hi")
    assert {name: form.fields[name] for name in ("email", "format", "when", "password", "q")} == {
        "email": MEERA, "format": "xlsx", "when": "now", "password": "", "q": ""
    }  # fmt: skip
    assert send(mentors.api, "mentor_t", form, batch_id="reading-t", email="").status_code == 303
    (request,) = list_requests(mentors.connection)
    assert (request.language, request.email) == ("hi", MEERA)


def test_whose_address_is_not_known_fills_one_in(two_tenants: World) -> None:
    page = refused(ask(two_tenants), 422, "email_needed")
    assert 'id="email-wrong"' in page.html
    assert ask(two_tenants, email=MEERA).status_code == 303


@pytest.mark.parametrize(
    ("values", "status", "code", "field"),
    [
        ({"batch_id": ""}, 404, "batch_not_found", "batch_id"),
        ({"batch_id": "counting-s"}, 404, "batch_not_found", "batch_id"),
        ({"batch_id": "\x00"}, 404, "batch_not_found", "batch_id"),
        ({"email": "nobody"}, 422, "email_not_usable", "email"),
        ({"email": "a@b.example\nBcc: c@d.example"}, 422, "email_not_usable", "email"),
        ({"email": "x" * 2000}, 422, "invalid_request", "email"),
        ({"password": "short"}, 422, "password_not_usable", "password"),
        ({"password": PASSWORD, "when": "weekly"}, 422, "password_not_kept", "password"),
        ({"format": "pdf"}, 422, "invalid_request", "format"),
        ({"when": "hourly"}, 422, "invalid_request", "when"),
    ],
)
def test_what_cannot_be_used_is_refused_at_its_field(
    mentors: World, values: dict[str, str], status: int, code: str, field: str
) -> None:
    kept = {"email": "other@t.example", "format": "csv"}
    page = refused(ask(mentors, **{**kept, **values}), status, code)
    assert f'id="{field}-wrong"' in page.html
    again = next(one for one in page.forms if one.method == "post").fields
    for name in set(kept) - set(values):
        assert again[name] == kept[name]
    assert again["password"] == ""
    assert list_requests(mentors.connection) == []
    assert list_schedules(mentors.connection) == []


def test_the_same_report_again_is_refused_with_words(mentors: World) -> None:
    asked(mentors)
    page = refused(ask(mentors), 409, "report_already_running")
    assert "A report of this batch is under way for you already." in page.text


def test_too_many_reports_say_when_to_come_back(mentors: World) -> None:
    settings = mentors.settings.model_copy(update={"reports_per_hour": 1})
    asked(mentors)
    with open_api(settings) as api:
        answer = send(api, "mentor_t", form_of(mentors), batch_id="writing-t")
    refused(answer, 429, "too_many_reports")
    assert int(answer.headers["retry-after"]) > 0


# The batches to choose from


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"reading-t", "writing-t"}),
        ("?q=WRIT", {"writing-t"}),
        ("?q=reading-t", {"reading-t"}),
        ("?q=counting-s", set()),
        ("?q=%00%0a", {"reading-t", "writing-t"}),
        ("?q=" + "x" * 5000, set()),
    ],
)
def test_batches_of_the_readers_tenants_are_found_by_name_course_or_id(
    mentors: World, query: str, shown: set[str]
) -> None:
    page = open_page(mentors.api, "mentor_t", f"/reports{query}")
    offered = {given["value"] for tag, given in page.tags if given.get("name") == "batch_id"}
    assert offered == shown
    assert ("No batch matches." in page.text) == (not shown)
    assert_sound(page)


def test_what_was_searched_and_chosen_is_kept_when_something_is_refused(mentors: World) -> None:
    form = form_of(mentors, query="?q=reading")
    page = Page(send(mentors.api, "mentor_t", form, batch_id="writing-t", password="short"))
    search, again = page.forms[:2]
    assert (search.fields["q"], again.fields["q"], again.fields["batch_id"]) == (
        "reading", "reading", "writing-t"
    )  # fmt: skip


def test_many_batches_are_to_be_searched(mentors: World) -> None:
    mentors.connection.execute(
        "insert into raw.batches (batch_id, course_id, tenant_id, name, enrolment_type, end_date, "
        "mentor_ids, updated_at, load_id) select 'many' || n, 'reading', 't', 'Many', 'open', "
        "'2026-01-02', '{}', '2025-01-01', 1 from generate_series(1, 20) as n"
    )
    page = open_page(mentors.api, "mentor_t", "/reports?q=many")
    assert page.text.count("Many Reading") == 8
    assert "until 2 Jan 2026" in page.text
    assert "Search for the one that is not shown." in page.text


def test_a_tenant_without_batches_says_so(mentors: World) -> None:
    mentors.connection.execute("delete from raw.batches")
    page = open_page(mentors.api, "mentor_t", "/reports")
    assert "There are no batches of your tenants yet." in page.text
    assert page.forms == []


# What became of it


def test_each_state_is_said_in_words(mentors: World) -> None:
    requests = every_state(mentors)
    page = open_page(mentors.api, "mentor_t", "/reports")
    assert_sound(page)
    text = page.text.partition("Your reports")[2]
    due = "It is there by"
    for state, words in {
        "waiting": f"Waiting {due}",
        "late": "Waiting It should have been there by",
        "retried": "Waiting Something that it needs was not there. It is tried again by itself. "
        "For whoever helps you: unavailable the store is away",
        "building": f"Being built {due}",
        "built": f"Being sent The file is ready. It goes to {MEERA} as soon as",
        "sent": "Sent To me***@mentors.example,",
        "failed": "Failed The mail server refused the address. Look whether it is right, then ask for the "
        "report again. For whoever helps you: recipient_refused 550 no such user",
    }.items():
        line = text.partition(f"Batch {state} Reading · {state} Asked for")[2][:400]
        assert words in line, state
    size = request_of(mentors, requests["sent"]).bytes
    assert size is not None
    assert f"CSV (.zip) · {max(round(size / 1000, 1), 0.1)} kB Nobody is enrolled in this batch." in text
    assert "Batch Reading · reading-t Once, at the end This batch has no last day yet." in text


def test_a_report_says_how_many_rows_it_has(mentors: World) -> None:
    request_id = asked(mentors)
    sent(mentors, request_id)
    mentors.connection.execute("update ops.report_requests set rows = 100000, bytes = 12345678")
    page = open_page(mentors.api, "mentor_t", "/reports")
    assert "CSV (.zip) · 12.3 MB Rows: 1,00,000" in page.text


def test_nobody_sees_the_reports_of_somebody_else(mentors: World) -> None:
    asked(mentors, "admin_t")
    page = open_page(mentors.api, "mentor_t", "/reports")
    assert "You have not asked for a report yet." in page.text
    assert "admin_t" not in page.text


def test_a_batch_that_went_to_another_tenant_keeps_its_id_only(mentors: World) -> None:
    asked(mentors)
    mentors.connection.execute(
        "update raw.batches set tenant_id = 's', name = 'Secret' where batch_id = 'reading-t'"
    )
    page = open_page(mentors.api, "mentor_t", "/reports")
    assert "reading-t" in page.text
    assert "Secret" not in page.text


# Schedules


@pytest.mark.parametrize(
    ("when", "words"), [("weekly", "Each week Next:"), ("at_end", "Once, at the end On the")]
)
def test_a_report_is_scheduled_and_the_schedule_removed(mentors: World, when: str, words: str) -> None:
    mentors.connection.execute("update raw.batches set end_date = '2099-01-31'")
    answer = ask(mentors, when=when, format="csv")
    assert answer.headers["location"].endswith("/reports?done=report_scheduled")
    (schedule,) = list_schedules(mentors.connection)
    assert (schedule.scheduled_by, schedule.cadence, schedule.email, schedule.format) == (
        "mentor_t", when, MEERA, "csv"
    )  # fmt: skip
    page = open_page(mentors.api, "mentor_t", "/reports?done=report_scheduled")
    assert words in page.text
    assert f"CSV (.zip) · {MEERA}" in page.text
    removal = page.form("/remove")
    again = send(mentors.api, "mentor_t", removal)
    assert again.headers["location"].endswith("/reports?done=schedule_removed")
    assert list_schedules(mentors.connection) == []
    assert send(mentors.api, "mentor_t", removal).status_code == 303


def test_a_schedule_that_was_refused_says_why(mentors: World) -> None:
    ask(mentors, when="weekly")
    mentors.connection.execute("update ops.report_schedules set error = 'there is no batch reading-t'")
    page = open_page(mentors.api, "mentor_t", "/reports")
    assert "It could not be asked for when it was last due. there is no batch reading-t" in page.text


def test_nobody_removes_the_schedule_of_somebody_else(mentors: World) -> None:
    ask(mentors, when="weekly")
    removal = open_page(mentors.api, "mentor_t", "/reports").form("/remove")
    ask(mentors, "admin_t", when="weekly")
    removal.fields["csrf_token"] = (
        open_page(mentors.api, "admin_t", "/reports").form("/remove").fields["csrf_token"]
    )
    send(mentors.api, "admin_t", removal)
    assert {one.scheduled_by for one in list_schedules(mentors.connection)} == {"mentor_t", "admin_t"}


# Who may, and where a form comes from


@pytest.mark.parametrize("caller", ["viewer_t", "creator_t", "portal_t"])
def test_whoever_is_no_mentor_is_told_which_role_it_takes(standing_world: World, caller: str) -> None:
    for method, path in (("GET", ""), ("POST", ""), ("POST", f"/schedules/{uuid4()}/remove")):
        answer = standing_world.api(caller, method, f"/certificates/reports{path}", headers=COMMON_HEADERS)
        page = refused(answer, 403, "mentor_needed")
        assert "the role mentor in a tenant" in page.text


def test_every_form_of_the_page_wants_its_seal(mentors: World) -> None:
    ask(mentors, when="weekly")
    page = open_page(mentors.api, "mentor_t", "/reports")
    removal, asking = page.form("/remove"), form_of(mentors)
    csrf_tokens = ("", "nonsense", aged_token(mentors, "admin_t", "report", hours=0),
             aged_token(mentors, "mentor_t", "report", hours=4.1), removal.fields["csrf_token"])  # fmt: skip
    for csrf_token in csrf_tokens:
        refused(
            send(mentors.api, "mentor_t", asking, batch_id="reading-t", csrf_token=csrf_token),
            403,
            "form_expired",
        )
    refused(
        send(mentors.api, "mentor_t", removal, csrf_token=asking.fields["csrf_token"]), 403, "form_expired"
    )
    for form in (asking, removal):
        answer = send(mentors.api, "mentor_t", form, headers={"sec-fetch-site": "cross-site"})
        refused(answer, 403, "form_not_trusted")
    assert list_requests(mentors.connection) == []
    assert len(list_schedules(mentors.connection)) == 1


def test_a_session_by_cookie_asks_here_and_not_over_the_api(mentors: World) -> None:
    with open_api(mentors.settings, by_cookie("mentor_t")) as browser:
        page = open_page(browser, None, "/reports")
        form = next(one for one in page.forms if one.method == "post")
        assert send(browser, None, form, batch_id="reading-t").status_code == 303
        answer = browser(None, "POST", "/v1/batches/writing-t/reports", json={"format": "csv"})
        assert answer.json()["code"] == "cookie_not_accepted"


def test_names_are_never_taken_for_markup(mentors: World) -> None:
    mentors.connection.execute("update raw.courses set name = %s", (HOSTILE,))
    mentors.connection.execute("update raw.batches set name = %s", (HOSTILE,))
    asked(mentors)
    ask(mentors, when="weekly")
    pages = [
        open_page(mentors.api, "mentor_t", "/reports?q=%3Cscript%3E"),
        open_page(mentors.api, "mentor_t", "/reports"),
        Page(ask(mentors, email=HOSTILE)),
    ]
    for page in pages:
        assert_sound(page)
        assert "<script" not in page.html
        assert "&lt;script&gt;" in page.html


@pytest.mark.parametrize("language", ["en", "ur", "hi"])
def test_the_page_is_sound_in_every_direction(mentors: World, language: str) -> None:
    every_state(mentors)
    page = open_page(mentors.api, "mentor_t", f"/reports?language={language}")
    assert_sound(page)
    assert all(f"language={language}" in form.action for form in page.forms if form.method == "post")
    assert all("language=" in link for link in page.links() if link.startswith("/pramaan/certificates"))
    assert datetime.now(UTC).strftime("%Y") in page.text
