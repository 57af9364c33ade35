"""The pages over HTTP, as each caller finds them: what they show, what their forms do, what they refuse."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import pytest
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from pages_worlds import Form, Page, assert_sound, open_page, send
from PIL import Image, ImageDraw
from web_worlds import ADDRESS, ASSERTION, World, by_cookie, open_api

from pramaan.warehouse.decisions import DECISIONS
from pramaan.web.pages.texts import ERROR_TEXTS, FIELD_OF_CODE, FIELDS, REASONS

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
CHOSEN = {"template_id": "classic", "issuer_id": "board-t"}
NEW_BOARD = {"id": "board-new", "tenant_id": "t", "name": "New Board"}
COMMON_HEADERS = {"accept": "text/html"}


def png(width: int = 300, height: int = 120, *, colour: str = "navy") -> bytes:
    """A stroke of ink on nothing."""
    picture = Image.new("RGBA", (width, height))
    ImageDraw.Draw(picture).line((5, height - 5, width - 5, 5), fill=colour, width=5)
    out = BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def changes(world: World) -> list[tuple[Any, ...]]:
    """What the pages changed, as it is recorded."""
    return world.connection.execute(
        "select username, channel, address, action, subject_kind, subject_id from registry.changes "
        "where channel = 'page' order by change_id"
    ).fetchall()


def filled(world: World, course_id: str = "writing", caller: str = "creator_t", **values: str) -> Page:
    """The preview of a course's form, filled in."""
    form = open_page(world.api, caller, f"/courses/{course_id}").form("/preview")
    return Page(send(world.api, caller, form, **{**CHOSEN, **values}))


def refused(answer: Any, status: int, code: str) -> Page:
    """The page of a error_notice: its status, words, and code in small print."""
    page = Page(answer)
    assert (page.status, f">{code}<" in page.html) == (status, True), page.text[:800]
    assert "Traceback" not in page.html
    assert_sound(page)
    return page


# The list of courses


def test_the_list_shows_what_each_course_of_the_readers_tenants_offers(standing_world: World) -> None:
    page = open_page(standing_world.api, "viewer_t")
    assert page.status == 200
    assert "Reading reading · t Certificate Classic diploma Board of T Since 1 Jan 2012, 05:30" in page.text
    assert "Everybody who completes the course" in page.text
    assert "Writing writing · t No certificate" in page.text
    assert "Drafted draft · t Draft No certificate" in page.text
    assert "Counting" not in page.text
    assert "/pramaan/certificates/courses/reading" in page.links()
    assert "Counting" in open_page(standing_world.api, "admin").text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("offers=with", {"Reading"}),
        ("offers=without", {"Writing", "Drafted"}),
        ("offers=nonsense", {"Reading", "Writing", "Drafted"}),
        ("q=ITING", {"Writing"}),
        ("q=reading&offers=without", set()),
        ("q=%00%0a", {"Reading", "Writing", "Drafted"}),
        ("q=" + "x" * 5000, set()),
        ("after=reading", {"Writing"}),
        ("after=%00&done=%00", {"Reading", "Writing", "Drafted"}),
    ],
)
def test_courses_are_searched_and_filtered(standing_world: World, query: str, shown: set[str]) -> None:
    page = open_page(standing_world.api, "viewer_t", f"?{query}")
    assert page.status == 200
    assert {name for name in ("Reading", "Writing", "Drafted") if name in page.text} == shown
    assert ("No course matches." in page.text) == (not shown)
    assert_sound(page)


def test_a_long_list_has_pages_that_keep_the_search(two_tenants: World) -> None:
    two_tenants.connection.execute(
        "insert into raw.courses (course_id, name, tenant_id, status, leaf_count, published_at, updated_at, "
        "load_id) select 'many' || lpad(n::text, 3, '0'), 'Many', 't', 'Live', 2, '2025-01-01', "
        "'2025-01-01', 1 from generate_series(1, 60) as n"
    )
    first = open_page(two_tenants.api, "viewer_t", "?q=many&offers=without")
    assert first.text.count("· t No certificate") == 50
    following = next(link for link in first.links() if "after=" in link)
    second = open_page(two_tenants.api, "viewer_t", following.removeprefix("/pramaan/certificates"))
    assert second.text.count("· t No certificate") == 10
    assert "q=many" in following
    assert not [link for link in second.links() if "after=many" in link and "language" not in link]


# A course


def test_a_course_shows_its_certificate_form_and_history(standing_world: World) -> None:
    page = open_page(standing_world.api, "creator_t", "/courses/reading")
    assert page.form("/preview").fields == {
        **page.form("/preview").fields, **CHOSEN, "recipient_tenants": "", "minimum_score": ""
    }  # fmt: skip
    assert "In force since 1 Jan 2012, 05:30" in page.text
    assert "import of history" in page.text
    assert "/pramaan/certificates/courses/reading/remove" in page.links()
    assert "/pramaan/v1/templates/classic/preview.pdf" in page.links()
    assert [one["class"] for one in page.form("/preview").buttons] == ["main"]
    assert "Preview" in page.text


@pytest.mark.parametrize("caller", ["viewer_t", "mentor_t", "portal_t"])
def test_whoever_only_reads_sees_no_buttons(standing_world: World, caller: str) -> None:
    for path in ("/courses/reading", "/courses/writing", "/issuers", "/issuers/board-t"):
        page = open_page(standing_world.api, caller, path)
        assert page.status == 200
        assert page.forms == []
        assert not [link for link in page.links() if link.endswith("/remove")]


def test_an_unpublished_course_says_why_there_is_no_form(standing_world: World) -> None:
    page = open_page(standing_world.api, "creator_t", "/courses/draft")
    assert page.forms == []
    assert "not published yet" in page.text


def test_a_tenant_without_issuers_is_led_to_adding_one(two_tenants: World) -> None:
    two_tenants.connection.execute("update raw.courses set tenant_id = 'new' where course_id = 'writing'")
    page = open_page(two_tenants.api, "admin", "/courses/writing")
    assert "This tenant has no issuer yet. Add issuer" in page.text
    assert page.forms == []


# Asserting, updating, removing


def test_a_preview_says_who_would_get_it_and_who_not_and_why(standing_world: World) -> None:
    page = filled(standing_world, "reading", minimum_score="50", recipient_tenants="t\n\n t \n")
    assert page.status == 200
    assert "Only people of: t Mean score of at least 50%" in page.text
    assert "In progress 1 If they completed" in page.text
    assert "1 would get it Who? Chand Lal chand · batch reading-t 0 would not get it" in page.text
    assert "Completed already 4 A certificate counts" in page.text
    assert "0 would get it 4 would not get it 1 Their batch belongs to another tenant" in page.text
    assert "3 They have earned a certificate already" in page.text
    assert "Update certificate" in page.text
    assert_sound(page)


def test_a_name_of_another_tenants_user_is_not_shown(standing_world: World) -> None:
    page = filled(standing_world, "reading")
    assert "Asha Rao" in page.text
    assert "Sita Sen" not in page.text


def test_a_certificate_is_asserted_from_the_preview_only(two_tenants: World) -> None:
    preview = filled(two_tenants, minimum_score="12.5", recipient_tenants="t")
    assert changes(two_tenants) == []
    answer = send(two_tenants.api, "creator_t", preview.form("/assert"))
    assert (answer.status_code, answer.headers["location"]) == (
        303, "/pramaan/certificates/courses/writing?done=asserted"
    )  # fmt: skip
    after = open_page(two_tenants.api, "creator_t", "/courses/writing?done=asserted")
    assert "The certificate is asserted." in after.text
    form = after.form("/preview").fields
    assert (form["minimum_score"], form["recipient_tenants"]) == ("12.5", "t")
    assert changes(two_tenants) == [
        ("creator_t", "page", ADDRESS, "asserted", "attachment", "writing")
    ]  # fmt: skip


def test_a_certificate_asserted_meanwhile_is_a_conflict_that_keeps_what_was_filled_in(
    two_tenants: World,
) -> None:
    confirm = filled(two_tenants, minimum_score="77").form("/assert")
    two_tenants.api("creator_t", "POST", "/v1/courses/writing/certificate", json=ASSERTION)
    page = refused(send(two_tenants.api, "creator_t", confirm), 409, "certificate_already_attached")
    assert "You can update it" in page.text
    again = Page(send(two_tenants.api, "creator_t", page.form("/preview")))
    assert again.form("/update").fields["minimum_score"] == "77"
    assert send(two_tenants.api, "creator_t", again.form("/update")).headers["location"].endswith("=updated")
    assert [one[3] for one in changes(two_tenants)] == ["replaced"]


def test_a_certificate_changed_meanwhile_is_not_overwritten(two_tenants: World) -> None:
    update = filled(two_tenants, "reading", minimum_score="40").form("/update")
    body = {**ASSERTION, "criteria": {"minimum_score": 60}}
    two_tenants.api("creator_t", "PUT", "/v1/courses/reading/certificate", json=body)
    page = refused(send(two_tenants.api, "creator_t", update), 409, "changed_meanwhile")
    assert page.form("/preview").fields["minimum_score"] == "40"
    assert "Mean score of at least 60%" in page.text
    assert changes(two_tenants) == []


def test_the_same_certificate_again_changes_nothing(two_tenants: World) -> None:
    update = filled(two_tenants, "reading").form("/update")
    answer = send(two_tenants.api, "creator_t", update)
    assert answer.headers["location"].endswith("done=unchanged")
    assert changes(two_tenants) == []


def test_a_mail_to_recipients_is_asked_for_by_a_box(two_tenants: World) -> None:
    form = open_page(two_tenants.api, "creator_t", "/courses/reading").form("/preview")
    assert "notify_recipients" not in form.fields
    preview = filled(two_tenants, "reading", notify_recipients="yes")
    assert "Mail to recipients A short mail on issue" in preview.text
    send(two_tenants.api, "creator_t", preview.form("/update"))
    ticked = open_page(two_tenants.api, "creator_t", "/courses/reading")
    assert ticked.form("/preview").fields.pop("notify_recipients") == "yes"
    again = Page(send(two_tenants.api, "creator_t", ticked.form("/preview"), notify_recipients=""))
    assert "Mail to recipients No mail" in again.text
    send(two_tenants.api, "creator_t", again.form("/update"))
    notified = two_tenants.connection.execute(
        "select notify_recipients from registry.attachments where course_id = 'reading' order by valid_from"
    ).fetchall()
    assert notified == [(False,), (True,), (False,)]


def test_from_the_preview_back_to_the_form_with_its_values(standing_world: World) -> None:
    preview = filled(standing_world, minimum_score="33", recipient_tenants="a\nb").form("/assert")
    back = next(one["formaction"] for one in preview.buttons if "formaction" in one)
    form = Form(back.removeprefix("/pramaan"), "post", preview.fields)
    page = Page(send(standing_world.api, "creator_t", form))
    assert page.status == 200
    values = page.form("/preview").fields
    assert (values["minimum_score"], values["recipient_tenants"]) == ("33", "a\nb")


def test_a_certificate_is_removed_after_saying_what_that_means(two_tenants: World) -> None:
    page = open_page(two_tenants.api, "creator_t", "/courses/reading/remove")
    assert_sound(page)
    assert "1 of 1 people in progress would get this certificate" in page.text
    assert changes(two_tenants) == []
    answer = send(two_tenants.api, "creator_t", page.form("/remove"))
    assert answer.headers["location"].endswith("/courses/reading?done=removed")
    after = open_page(two_tenants.api, "creator_t", "/courses/reading?done=removed")
    assert "The certificate is removed." in after.text
    assert "This course has no certificate now." in after.text
    refused(send(two_tenants.api, "creator_t", page.form("/remove")), 404, "certificate_not_attached")
    gone = two_tenants.api("creator_t", "GET", "/certificates/courses/reading/remove", headers=COMMON_HEADERS)
    refused(gone, 404, "certificate_not_attached")


def test_a_change_can_be_made_while_nobody_can_be_counted(two_tenants: World) -> None:
    two_tenants.connection.execute("delete from ops.rule_statements")
    page = filled(two_tenants)
    assert page.status == 200
    assert "cannot be counted right now" in page.text
    assert send(two_tenants.api, "creator_t", page.form("/assert")).status_code == 303
    removal = open_page(two_tenants.api, "creator_t", "/courses/reading/remove")
    assert "cannot be counted right now" in removal.text


@pytest.mark.parametrize(
    ("values", "status", "code", "field"),
    [
        ({"minimum_score": "101"}, 422, "invalid_request", "minimum_score"),
        ({"minimum_score": "-1"}, 422, "invalid_request", "minimum_score"),
        ({"minimum_score": "many"}, 422, "invalid_request", "minimum_score"),
        ({"minimum_score": "nan"}, 422, "invalid_request", "minimum_score"),
        ({"minimum_score": "1e999"}, 422, "invalid_request", "minimum_score"),
        ({"minimum_score": "9" * 5000}, 422, "invalid_request", "minimum_score"),
        (
            {"recipient_tenants": "\n".join(map(str, range(1001)))},
            422,
            "invalid_request",
            "recipient_tenants",
        ),
        ({"recipient_tenants": "x" * 201}, 422, "invalid_request", "recipient_tenants"),
        ({"recipient_tenants": "a\x00b"}, 422, "invalid_request", "recipient_tenants"),
        ({"template_id": ""}, 422, "invalid_request", "template_id"),
        ({"template_id": "../../etc"}, 404, "template_not_found", "template_id"),
        ({"issuer_id": ""}, 422, "invalid_request", "issuer_id"),
        ({"issuer_id": "nobody"}, 404, "issuer_not_found", "issuer_id"),
        ({"issuer_id": "board-s"}, 404, "issuer_not_found", "issuer_id"),
    ],
)
@pytest.mark.parametrize("step", ["preview", "assert"])
def test_what_cannot_be_used_is_said_at_its_field_and_kept(  # noqa: PLR0917 - a table
    standing_world: World, step: str, values: dict[str, str], status: int, code: str, field: str
) -> None:
    form = open_page(standing_world.api, "creator_t", "/courses/writing").form("/preview")
    form.action = form.action.replace("preview", step)
    kept = {"minimum_score": "42", "recipient_tenants": "somebody", **CHOSEN, **values}
    page = refused(send(standing_world.api, "creator_t", form, **kept), status, code)
    assert f'id="{field}-wrong"' in page.html
    again = page.form("/preview").fields
    for name in {"minimum_score", "recipient_tenants"} - {field}:
        assert again[name] == kept[name]


def test_an_issuer_of_another_tenant_is_refused_to_an_admin(standing_world: World) -> None:
    form = open_page(standing_world.api, "admin", "/courses/writing").form("/preview")
    answer = send(standing_world.api, "admin", form, template_id="classic", issuer_id="board-s")
    refused(answer, 422, "issuer_of_other_tenant")


# Issuers


def test_issuers_are_shown_with_who_signs_and_how(two_tenants: World) -> None:
    page = open_page(two_tenants.api, "creator_t", "/issuers")
    assert "No signature picture Board of T board-t · t Dr Rao Registrar" in page.text
    assert "Board of S" not in page.text
    form = open_page(two_tenants.api, "creator_t", "/issuers/board-t").form("/board-t")
    files = {"signature": ("sign.png", png(), "image/png")}
    answer = send(two_tenants.api, "creator_t", form, files=files, name="Board of Tea", email="")
    assert answer.headers["location"].endswith("/issuers/board-t?done=issuer_changed")
    page = open_page(two_tenants.api, "viewer_t", "/issuers/board-t?done=issuer_changed")
    assert "The issuer is changed." in page.text
    assert "Board of Tea" in page.text
    picture = next(given["src"] for tag, given in page.tags if tag == "img")
    image = two_tenants.api("viewer_t", "GET", picture.removeprefix("/pramaan"))
    assert (image.status_code, image.headers["content-type"]) == (200, "image/png")
    assert (
        two_tenants.one("select max(version) from registry.issuer_versions where issuer_id = 'board-t'") == 2
    )
    assert [one[3:] for one in changes(two_tenants)] == [
        ("succeeded", "attachment", "reading"), ("changed", "issuer", "board-t")
    ]  # fmt: skip


def test_saving_an_issuer_as_it_is_changes_nothing(two_tenants: World) -> None:
    form = open_page(two_tenants.api, "creator_t", "/issuers/board-t").form("/board-t")
    answer = send(
        two_tenants.api, "creator_t", form, files={"signature": ("", b"", "application/octet-stream")}
    )
    assert answer.headers["location"].endswith("done=unchanged")
    assert changes(two_tenants) == []


def test_an_issuer_is_added_with_its_signature_as_one_version(two_tenants: World) -> None:
    form = open_page(two_tenants.api, "creator_t", "/issuers").form("/issuers")
    files = {"signature": ("sign.png", png(), "image/png")}
    values = {**NEW_BOARD, "url": " https://new.example ", "signatory_name": "Dr Roy"}
    answer = send(two_tenants.api, "creator_t", form, files=files, **values)
    assert answer.headers["location"].endswith("/issuers/board-new?done=issuer_added")
    page = open_page(two_tenants.api, "creator_t", "/issuers/board-new?done=issuer_added")
    assert "https://new.example" in page.text
    assert "https://new.example" not in page.links()
    assert "1 · By creator_t" in page.text
    assert [one[3:] for one in changes(two_tenants)] == [("added", "issuer", "board-new")]


@pytest.mark.parametrize(
    ("values", "content", "status", "code", "field"),
    [
        ({"id": "board-t"}, None, 409, "issuer_already_exists", "id"),
        ({"id": "board-s"}, None, 409, "issuer_already_exists", "id"),
        ({"id": "a b"}, None, 422, "invalid_request", "id"),
        ({"tenant_id": "s"}, None, 404, "tenant_not_found", "tenant_id"),
        ({"tenant_id": ""}, None, 422, "invalid_request", "tenant_id"),
        ({"name": " "}, None, 422, "invalid_request", "name"),
        ({"name": "x" * 201}, None, 422, "invalid_request", "name"),
        ({"name": "a\x00b"}, None, 422, "invalid_request", "name"),
        ({"name": "\U00012000"}, None, 422, "issuer_unprintable", "name"),
        ({"url": "javascript:alert(1)"}, None, 422, "invalid_issuer", "url"),
        ({"url": "http://["}, None, 422, "invalid_issuer", "url"),
        ({"email": "nobody"}, None, 422, "invalid_issuer", "email"),
        ({"signatory_designation": "Dean"}, None, 422, "invalid_request", "signatory_name"),
        ({"signatory_name": "\U00012000"}, None, 422, "issuer_unprintable", "signatory_name"),
        ({}, b"no picture", 415, "signature_not_an_image", "signature"),
        (
            {},
            b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
            422,
            "signature_unsafe",
            "signature",
        ),
        ({}, b"\x89PNG\r\n\x1a\n" + bytes(300_000), 413, "signature_too_large", "signature"),
    ],
)
def test_an_issuer_that_cannot_be_used_is_refused_at_its_field(  # noqa: PLR0917 - a table
    standing_world: World,
    values: Mapping[str, str],
    content: bytes | None,
    status: int,
    code: str,
    field: str,
) -> None:
    form = open_page(standing_world.api, "creator_t", "/issuers").form("/issuers")
    files = {"signature": ("sign", content or b"", "image/png")}
    given = {**NEW_BOARD, "email": "a@b.example", **values}
    page = refused(send(standing_world.api, "creator_t", form, files=files, **given), status, code)
    assert f'id="{field}-wrong"' in page.html
    again = page.form("/issuers").fields
    for name in {"name", "id", "email"} - {field}:
        assert again[name] == given[name]


def test_a_form_far_too_large_is_refused_on_a_page(standing_world: World) -> None:
    form = open_page(standing_world.api, "creator_t", "/issuers").form("/issuers")
    files = {"signature": ("sign.png", bytes(600_000), "image/png")}
    refused(send(standing_world.api, "creator_t", form, files=files, **NEW_BOARD), 413, "body_too_large")


def test_an_issuer_changed_meanwhile_is_not_overwritten(two_tenants: World) -> None:
    form = open_page(two_tenants.api, "creator_t", "/issuers/board-t").form("/board-t")
    two_tenants.api("creator_t", "PUT", "/v1/issuers/board-t", json={"name": "Renamed"})
    page = refused(send(two_tenants.api, "creator_t", form, name="Mine"), 409, "changed_meanwhile")
    assert "Renamed" in page.text
    assert page.form("/board-t").fields["name"] == "Mine"
    assert send(two_tenants.api, "creator_t", page.form("/board-t")).status_code == 303


# Who may


def test_what_belongs_to_another_tenant_is_not_there(standing_world: World) -> None:
    get, post = standing_world.api, standing_world.api
    for path in ("/courses/counting", "/courses/nowhere", "/courses/counting/remove"):
        refused(
            get("creator_t", "GET", f"/certificates{path}", headers=COMMON_HEADERS), 404, "course_not_found"
        )
    for path in ("/issuers/board-s", "/issuers/nobody"):
        refused(
            get("creator_t", "GET", f"/certificates{path}", headers=COMMON_HEADERS), 404, "issuer_not_found"
        )
    csrf_token = (
        open_page(standing_world.api, "creator_t", "/courses/writing").form("/preview").fields["csrf_token"]
    )
    for step in ("preview", "assert", "update", "edit", "remove"):
        path = f"/certificates/courses/counting/{step}"
        answer = post(
            "creator_t", "POST", path, data={"csrf_token": csrf_token, **CHOSEN}, headers=COMMON_HEADERS
        )
        refused(answer, 404, "course_not_found")


@pytest.mark.parametrize("caller", ["viewer_t", "mentor_t", "portal_t"])
def test_whoever_only_reads_cannot_send_a_form(standing_world: World, caller: str) -> None:
    paths = [f"courses/writing/{step}" for step in ("preview", "assert", "update", "edit", "remove")]
    for path in (*paths, "issuers", "issuers/board-t"):
        answer = standing_world.api(
            caller, "POST", f"/certificates/{path}", data=CHOSEN, headers=COMMON_HEADERS
        )
        refused(answer, 403, "forbidden")
    answer = standing_world.api(caller, "GET", "/certificates/courses/reading/remove", headers=COMMON_HEADERS)
    refused(answer, 403, "forbidden")


def test_whoever_has_no_role_is_told_what_to_ask_for(standing_world: World) -> None:
    for method, path in (("GET", ""), ("GET", "/courses/reading"), ("POST", "/issuers"), ("GET", "/issuers")):
        answer = standing_world.api("nobody", method, f"/certificates{path}", headers=COMMON_HEADERS)
        page = refused(answer, 403, "no_role")
        assert "pramaan grant add --user nobody --role badge_creator --tenant TENANT" in page.text


def test_whoever_is_not_signed_in_is_led_to_where_one_does(standing_world: World) -> None:
    path = "/certificates/courses/reading?language=hi"
    page = refused(standing_world.api(None, "GET", path, headers=COMMON_HEADERS), 401, "not_signed_in")
    link = next(given for tag, given in page.tags if tag == "a" and given.get("target"))
    assert link["target"] == "_top"
    assert link["href"] == "/auth/login?next=%2Fpramaan%2Fcertificates%2Fcourses%2Freading"
    assert "Reading" not in page.text
    problem = standing_world.api(None, "GET", path, headers={"accept": "application/json"})
    assert (problem.status_code, problem.json()["code"]) == (401, "not_signed_in")
    elsewhere = standing_world.api(None, "GET", "/v1/courses", headers=COMMON_HEADERS)
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (401, "not_signed_in")
    assert standing_world.api(None, "GET", "/certificatesque", headers=COMMON_HEADERS).json()


def test_the_look_of_the_pages_is_there_for_everybody(standing_world: World) -> None:
    page = Page(standing_world.api(None, "GET", "/certificates", headers=COMMON_HEADERS))
    href = next(given["href"] for tag, given in page.tags if given.get("rel") == "stylesheet")
    style = standing_world.api(None, "GET", href.removeprefix("/pramaan"))
    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "max-age" in style.headers["cache-control"]
    assert "url(" not in style.text
    assert "@import" not in style.text


# Where a form comes from


def aged_token(world: World, username: str, purpose: str, *, hours: float) -> str:
    """A csrf_token of ours as it was given so many hours ago."""

    class Earlier(TimestampSigner):
        def get_timestamp(self) -> int:
            return super().get_timestamp() - int(hours * 3600)

    key = (world.settings.secrets / "form_token.key").read_bytes()
    return str(URLSafeTimedSerializer(key, salt=f"pramaan.pages.{purpose}", signer=Earlier).dumps(username))


@pytest.mark.parametrize(
    "csrf_token",
    ["", "nonsense", "a.b.c", "é", "another user's", "of another form", "expired", "x" * 9000],
)
@pytest.mark.parametrize("step", ["preview", "assert", "update", "edit"])
def test_a_form_without_a_good_seal_is_refused_and_kept(
    standing_world: World, csrf_token: str, step: str
) -> None:
    sealed = {
        "another user's": aged_token(standing_world, "admin_t", "certificate", hours=0),
        "of another form": aged_token(standing_world, "creator_t", "issuer", hours=0),
        "expired": aged_token(standing_world, "creator_t", "certificate", hours=4.1),
    }.get(csrf_token, csrf_token)
    form = Form(f"/certificates/courses/writing/{step}", "post", {**CHOSEN, "minimum_score": "42"})
    page = refused(send(standing_world.api, "creator_t", form, csrf_token=sealed), 403, "form_expired")
    assert "The page was open too long." in page.text
    assert page.form("/preview").fields["minimum_score"] == "42"


def test_a_seal_holds_for_hours(standing_world: World) -> None:
    csrf_token = aged_token(standing_world, "creator_t", "certificate", hours=3.9)
    form = Form("/certificates/courses/writing/preview", "post", CHOSEN)
    assert send(standing_world.api, "creator_t", form, csrf_token=csrf_token).status_code == 200


def test_every_other_form_wants_a_seal_too(standing_world: World) -> None:
    for path in ("courses/reading/remove", "issuers", "issuers/board-t"):
        form = Form(f"/certificates/{path}", "post", {**NEW_BOARD, "seen": "1"})
        refused(send(standing_world.api, "creator_t", form), 403, "form_expired")


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://testserver:81"},
        {"origin": "http://["},
        {"sec-fetch-site": "same-origin", "origin": "https://evil.example"},
    ],
)
def test_a_form_that_another_site_sent_is_refused(standing_world: World, headers: dict[str, str]) -> None:
    form = open_page(standing_world.api, "creator_t", "/courses/writing").form("/preview")
    for path in ("courses/writing/preview", "courses/writing/assert", "issuers", "issuers/board-t"):
        form.action = f"/certificates/{path}"
        answer = send(standing_world.api, "creator_t", form, headers=headers, **CHOSEN)
        assert refused(answer, 403, "form_not_trusted").forms == []


@pytest.mark.parametrize("origin", ["http://testserver", "https://TESTSERVER", "{public}"])
def test_a_form_from_our_own_pages_is_taken(standing_world: World, origin: str) -> None:
    public = standing_world.settings.public_base_url.removesuffix("/pramaan")
    headers = {"origin": origin.format(public=public), "sec-fetch-site": "same-origin"}
    form = open_page(standing_world.api, "creator_t", "/courses/writing").form("/preview")
    assert send(standing_world.api, "creator_t", form, headers=headers, **CHOSEN).status_code == 200


def test_a_session_by_cookie_writes_here_and_nowhere_else(two_tenants: World) -> None:
    with open_api(two_tenants.settings, by_cookie("creator_t")) as browser:
        form = open_page(browser, None, "/courses/writing").form("/preview")
        preview = Page(send(browser, None, form, **CHOSEN))  # type: ignore[arg-type]
        assert send(browser, None, preview.form("/assert")).status_code == 303  # type: ignore[arg-type]
        refused_write = browser(None, "DELETE", "/v1/courses/writing/certificate")
        assert refused_write.json()["code"] == "cookie_not_accepted"
    assert [one[0] for one in changes(two_tenants)] == ["creator_t"]


# What every page keeps to


@pytest.mark.parametrize("language", ["en", "ur", "hi"])
@pytest.mark.parametrize(
    "path",
    ["", "/courses/reading", "/courses/writing", "/courses/draft", "/courses/reading/remove", "/issuers",
     "/issuers/board-t", "/nothing/here"],
)  # fmt: skip
def test_every_page_is_sound_in_every_direction(standing_world: World, path: str, language: str) -> None:
    page = open_page(standing_world.api, "creator_t", f"{path}?language={language}")
    assert page.status == (404 if path == "/nothing/here" else 200)
    assert_sound(page)
    html = next(given for tag, given in page.tags if tag == "html")
    assert (html["lang"], html["dir"]) == (language, "rtl" if language == "ur" else "ltr")
    ours = [link for link in page.links() if link.startswith("/pramaan/certificates")]
    assert ours
    assert all("language=" in link for link in ours)
    assert all(f"language={language}" in form.action for form in page.forms if form.method == "post")


def test_the_language_is_the_browsers_unless_the_address_names_one(standing_world: World) -> None:
    page = open_page(
        standing_world.api, "viewer_t", "/courses/reading", **{"accept-language": "ta, en;q=0.5"}
    )
    assert '<html lang="ta"' in page.html
    assert page.headers["content-language"] == "ta"
    assert not [link for link in page.links() if link == "/pramaan/certificates?language=ta"]
    page = open_page(
        standing_world.api, "viewer_t", "/courses/reading?language=hi", **{"accept-language": "ta"}
    )
    assert '<html lang="hi"' in page.html
    assert "1 जन॰ 2012" in page.text
    assert '<html lang="en"' in open_page(standing_world.api, "viewer_t", "?language=xx").html


def test_names_are_never_taken_for_markup(two_tenants: World) -> None:
    two_tenants.connection.execute("update raw.courses set name = %s where tenant_id = 't'", (HOSTILE,))
    issuer = {"name": HOSTILE, "signatory": {"name": HOSTILE, "designation": HOSTILE}}
    assert two_tenants.api("creator_t", "PUT", "/v1/issuers/board-t", json=issuer).status_code == 200
    pages = [
        open_page(two_tenants.api, "creator_t", path)
        for path in (
            "",
            "?q=%3Cscript%3E",
            "/courses/reading",
            "/courses/reading/remove",
            "/issuers",
            "/issuers/board-t",
        )
    ]
    pages.append(filled(two_tenants, "reading", recipient_tenants=HOSTILE))
    pages.append(filled(two_tenants, "reading", recipient_tenants=HOSTILE, minimum_score=HOSTILE))
    for page in pages:
        assert_sound(page)
        assert "<script" not in page.html
        assert "&lt;script&gt;" in page.html


def test_an_address_puts_no_words_into_our_mouth(standing_world: World) -> None:
    for path in ("/courses/reading?done=", "/issuers?done=", "/issuers/board-t?done="):
        page = open_page(standing_world.api, "viewer_t", f"{path}You+won")
        assert "You won" not in page.html
        assert "You+won" not in page.html
        assert 'role="status"' not in page.html


def test_pages_are_not_part_of_the_description_of_the_calls(standing_world: World) -> None:
    paths = standing_world.api("admin", "GET", "/openapi.json").json()["paths"]
    assert not [path for path in paths if path.startswith("/certificates")]


def test_every_code_has_its_words() -> None:
    assert set(REASONS) == set(DECISIONS)
    assert set(FIELD_OF_CODE) <= set(ERROR_TEXTS)
    assert set(FIELD_OF_CODE.values()) <= set(FIELDS)
