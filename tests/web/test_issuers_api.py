"""Issuers over HTTP: each change a version, the signature a small picture, what was issued left as it was."""

import hashlib
import io
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from PIL import Image
from web_worlds import World, assert_problem, complete

from worlds import store_files

BOARD = "/v1/issuers/board-t"
DETAILS: dict[str, object] = {
    "name": "Board of T",
    "url": "https://t.example",
    "email": "board@t.example",
    "signatory": {"name": "Dr Rao", "designation": "Registrar"},
}
SVG = b"""<svg xmlns="http://www.w3.org/2000/svg" width="200" height="80">
<path d="M10 60 C 60 0, 90 90, 190 20" stroke="#123" stroke-width="4" fill="none"/></svg>"""


def picture(fmt: str = "PNG", *, size: tuple[int, int] = (120, 50), noise: bool = False) -> bytes:
    """A dark stroke on white, or noise, which no encoder makes small."""
    image = Image.new("L", size, 255)
    image.paste(20, (10, 20, size[0] - 10, 26))
    if noise:
        image = Image.frombytes("L", size, random.Random(7).randbytes(size[0] * size[1]))
    out = io.BytesIO()
    image.save(out, fmt)
    return out.getvalue()


def sign(world: World, content: bytes, declared: str, caller: str = "creator_t") -> Any:
    return world.api(caller, "PUT", f"{BOARD}/signature", content=content, headers={"content-type": declared})


def test_an_issuer_is_added_read_and_listed(two_tenants: World) -> None:
    body = {"id": "school", "tenant_id": "t", **DETAILS}
    answer = two_tenants.api("creator_t", "POST", "/v1/issuers", json=body)
    assert answer.status_code == 201
    added = answer.json()
    assert {name: added[name] for name in body} == body
    assert (added["issuer_id"], added["version"], added["signature"]) == ("school", 1, None)
    assert two_tenants.api("viewer_t", "GET", "/v1/issuers/school").json() == added
    listed = two_tenants.api("viewer_t", "GET", "/v1/issuers").json()["issuers"]
    assert [one["id"] for one in listed] == ["board-t", "school"]
    assert_problem(
        two_tenants.api("creator_t", "POST", "/v1/issuers", json=body), 409, "issuer_already_exists"
    )


def test_an_issuer_may_be_named_by_issuer_id_too(two_tenants: World) -> None:
    body = {"issuer_id": "school", "tenant_id": "t", "name": "School"}
    assert two_tenants.api("creator_t", "POST", "/v1/issuers", json=body).json()["id"] == "school"


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        ({"name": ""}, "invalid_request", "name"),
        ({"name": "x" * 201}, "invalid_request", "name"),
        ({"name": None}, "invalid_request", "name"),
        ({"name": "Board \U0001f600"}, "issuer_unprintable", "name"),
        ({"name": "Board\u202eT"}, "issuer_unprintable", "name"),
        ({"url": "javascript:alert(1)"}, "invalid_issuer", "url"),
        ({"url": "https://"}, "invalid_issuer", "url"),
        ({"email": "nobody"}, "invalid_issuer", "email"),
        ({"signatory": {"designation": "Dean"}}, "invalid_request", "signatory.name"),
        ({"signatory": {"name": "Dr \U00012000", "designation": "Dean"}}, "issuer_unprintable", "signatory"),
    ],
)
def test_details_that_cannot_be_used_are_refused_by_name(
    change: dict[str, object], code: str, named: str, standing_world: World
) -> None:
    new = {"id": "school", "tenant_id": "t", **DETAILS, **change}
    for method, path, body in (("PUT", BOARD, DETAILS | change), ("POST", "/v1/issuers", new)):
        answer = standing_world.api("creator_t", method, path, json=body)
        assert named in assert_problem(answer, 422, code)["detail"]


@pytest.mark.parametrize("issuer_id", ["", "-a", "a b", "a/b", "../x", "a" * 101, "\u0905", "a\n", None, 7])
def test_an_issuer_s_id_is_fit_for_an_address(issuer_id: object, standing_world: World) -> None:
    body = {"id": issuer_id, "tenant_id": "t", "name": "School"}
    answer = standing_world.api("creator_t", "POST", "/v1/issuers", json=body)
    assert_problem(answer, 422, "invalid_request")


def test_each_change_is_a_version_and_the_same_details_are_none(two_tenants: World) -> None:
    def put(**change: object) -> int:
        answer = two_tenants.api("creator_t", "PUT", BOARD, json=DETAILS | change)
        assert answer.status_code == 200
        return int(answer.json()["version"])

    assert [put(), put(name="Board"), put(name="Board"), put(name="Board", url=None), put()] == [
        1,
        2,
        2,
        3,
        4,
    ]
    recorded = two_tenants.connection.execute(
        "select username, channel, action, before ->> 'version', after ->> 'version' from registry.changes "
        "where subject_kind = 'issuer' and channel = 'api' order by change_id"
    ).fetchall()
    assert recorded == [("creator_t", "api", "changed", str(n), str(n + 1)) for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("declared", "content"),
    [
        ("image/png", picture()),
        ("image/jpeg", picture("JPEG")),
        ("image/svg+xml", SVG),
        ("IMAGE/PNG; q=1", picture()),
        ("image/png", picture(size=(400, 400), noise=True)),
        ("image/jpeg", picture("JPEG", size=(400, 300), noise=True)),
    ],
    ids=["png", "jpeg", "svg", "png_in_capitals", "large_png", "large_jpeg"],
)
def test_a_signature_is_kept_small_and_by_its_hash(declared: str, content: bytes, two_tenants: World) -> None:
    before = two_tenants.api("creator_t", "GET", BOARD).json()
    answer = sign(two_tenants, content, declared)
    assert answer.status_code == 200, answer.text
    signed = answer.json()
    assert (before["signature"], signed["version"]) == (None, 2)
    shown = two_tenants.api("viewer_t", "GET", f"{BOARD}/signature")
    assert shown.status_code == 200
    assert shown.headers["content-type"] in {"image/png", "image/jpeg"}
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert signed["signature"]["sha256"] == hashlib.sha256(shown.content).hexdigest()
    assert signed["signature"]["url"] == f"{two_tenants.settings.public_base_url}{BOARD}/signature"
    assert len(shown.content) <= 30_000
    assert sign(two_tenants, content, declared).json() == signed
    assert two_tenants.one("select count(*) from registry.images") == 1


SCRIPTED = SVG.replace(b"<path", b"<script>alert(1)</script><path")
LEADING_OUT = SVG.replace(b"<path", b'<image href="http://example.org/x.png"/><path')
REFUSED: dict[str, tuple[bytes, str, int, str]] = {
    "a gif": (picture("GIF"), "image/gif", 415, "unsupported_media_type"),
    "no type": (picture(), "", 415, "unsupported_media_type"),
    "json": (b"{}", "application/json", 415, "unsupported_media_type"),
    "a png said to be a jpeg": (picture(), "image/jpeg", 415, "signature_not_an_image"),
    "a jpeg said to be a png": (picture("JPEG"), "image/png", 415, "signature_not_an_image"),
    "an svg said to be a png": (SVG, "image/png", 415, "signature_not_an_image"),
    "a gif said to be a png": (picture("GIF"), "image/png", 415, "signature_not_an_image"),
    "nothing": (b"", "image/png", 415, "signature_not_an_image"),
    "half a header": (picture()[:20], "image/png", 415, "signature_not_an_image"),
    "a script": (SCRIPTED, "image/svg+xml", 422, "signature_unsafe"),
    "an address": (LEADING_OUT, "image/svg+xml", 422, "signature_unsafe"),
    "too many bytes": (picture() + b"\0" * 200_000, "image/png", 413, "signature_too_large"),
    "too many pixels": (picture(size=(2_001, 2_000)), "image/png", 413, "signature_too_large"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_signature_that_cannot_be_used_is_refused(case: str, standing_world: World) -> None:
    content, declared, status, code = REFUSED[case]
    assert_problem(sign(standing_world, content, declared), status, code)
    assert_problem(standing_world.api("viewer_t", "GET", f"{BOARD}/signature"), 404, "signature_not_found")


def test_half_a_picture_is_refused_also_once_a_certificate_was_rendered_here(two_tenants: World) -> None:
    assert two_tenants.api("admin", "GET", "/v1/templates/classic/preview.pdf").status_code == 200
    assert_problem(sign(two_tenants, picture()[:60], "image/png"), 415, "signature_not_an_image")


def test_another_signatory_does_not_sign_with_the_hand_of_the_one_before(two_tenants: World) -> None:
    sign(two_tenants, picture(), "image/png")

    def signature_after(**change: object) -> object:
        return two_tenants.api("creator_t", "PUT", BOARD, json=DETAILS | change).json()["signature"]

    promoted = {"name": "Dr Rao", "designation": "Director"}
    assert signature_after(name="Board") is not None
    assert signature_after(signatory=promoted) is not None
    assert signature_after(signatory={"name": "Dr Iyer", "designation": "Registrar"}) is None
    assert_problem(two_tenants.api("viewer_t", "GET", f"{BOARD}/signature"), 404, "signature_not_found")
    assert two_tenants.one("select count(*) from registry.images") == 1


def printed(world: World) -> dict[str, tuple[object, ...]]:
    """By user: who issued and signed, by which version, and the file."""
    rows = world.connection.execute(
        "select user_id, render_input ->> 'issuer_name', render_input ->> 'signatory_name', issuer_version, "
        "certificates.signature_sha256, pdf_sha256 from registry.certificates "
        "inner join registry.attachments using (attachment_id) "
        "inner join registry.issuer_versions on issuer_versions.issuer_id = attachments.issuer_id "
        "and issuer_versions.version = attachments.issuer_version "
        "where batch_id = 'reading-t' and user_id in ('asha', 'chand')"
    ).fetchall()
    return {str(row[0]): row[1:] for row in rows}


def test_a_new_signatory_signs_new_completions_only(two_tenants: World) -> None:
    world = two_tenants
    assert world.pipeline.issue_chunk(limit=100, run_id=None).issued == 4
    files = {path: path.read_bytes() for path in store_files(world.settings)}
    before = printed(world)["asha"]
    assert before[:4] == ("Board of T", "Dr Rao", 1, None)
    world.api("creator_t", "PUT", BOARD, json=DETAILS | {"signatory": {"name": "Dr Iyer"}})
    signed = sign(world, picture(), "image/png").json()
    complete(world.connection, "chand", "reading-t", at=datetime.now(UTC))
    world.decide()
    assert world.pipeline.issue_chunk(limit=100, run_id=None).issued == 1
    after = printed(world)
    assert after["asha"] == before
    assert after["chand"][:4] == ("Board of T", "Dr Iyer", 3, signed["signature"]["sha256"])
    now = {path: path.read_bytes() for path in store_files(world.settings)}
    assert {path: now[path] for path in files} == files
    assert len(now) == len(files) + 1


def test_what_was_completed_before_the_change_is_printed_as_it_was_then(two_tenants: World) -> None:
    world = two_tenants
    world.api("creator_t", "PUT", BOARD, json=DETAILS | {"name": "Board renamed"})
    complete(world.connection, "chand", "reading-t", at="2026-02-03T00:00:00Z")
    world.decide()
    assert {user_id: found[:3] for user_id, found in printed(world).items()} == {
        "asha": ("Board of T", "Dr Rao", 1),
        "chand": ("Board of T", "Dr Rao", 1),
    }


def test_a_change_opens_the_successor_of_what_is_in_force(two_tenants: World) -> None:
    path = "/v1/courses/reading/certificate"
    before = two_tenants.api("creator_t", "GET", path).json()
    two_tenants.api("creator_t", "PUT", BOARD, json=DETAILS | {"name": "Board renamed"})
    newest, oldest = two_tenants.api("creator_t", "GET", f"{path}/history").json()["history"]
    assert (newest["issuer_version"], newest["valid_from"]) == (2, oldest["valid_to"])
    assert oldest == before | {"valid_to": newest["valid_from"]}
    other = two_tenants.api("creator_s", "GET", "/v1/courses/counting/certificate/history").json()
    assert len(other["history"]) == 1
