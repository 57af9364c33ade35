"""The pages in a real browser: in Airflow's frame, by cookie, on a telephone, from right to left."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, FrameLocator, Page, expect, sync_playwright
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from test_pages import png
from web_report_worlds import MEERA, STATES, every_state, give_addresses, sent
from web_worlds import ASSERTION, World

from pramaan.web.app import create_app
from pramaan.web.serve import mounted
from pramaan.web.sign_in import NotSignedInError, SignedIn
from worlds import database_url

pytestmark = pytest.mark.slow

PATIENCE_MS = 600_000
expect.set_options(timeout=PATIENCE_MS)

CHROMIUM = Path("/usr/bin/chromium")
FRAME = (
    "<!doctype html><title>Airflow</title><iframe src='/pramaan/certificates' width=1200 height=1600 "
    "sandbox='allow-scripts allow-same-origin allow-forms allow-downloads'></iframe>"
)


async def session(request: Request) -> SignedIn:
    """A browser's session, as the cookie says."""
    user = request.cookies.get("user")
    if user is None:
        raise NotSignedInError("no cookie")
    return SignedIn(user, by_cookie=True)


async def frame(_: Request) -> HTMLResponse:
    """As Airflow shows a page of a plugin."""
    return HTMLResponse(FRAME)


@pytest.fixture
def address(two_tenants: World) -> Iterator[str]:
    """The app on a port of its own, beside a page that frames it."""
    settings = two_tenants.settings
    app = mounted(create_app(session, settings=lambda: settings, database_url=lambda: database_url(settings)))
    app.router.routes.append(Route("/airflow", frame))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, log_level="error", lifespan="on", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextlib.contextmanager
def reader(browser: Browser, address: str, user: str | None = "creator_t", **options: Any) -> Iterator[Page]:
    """A browser in which somebody is signed in. Nothing that the page's own policy forbids may happen."""
    context = browser.new_context(locale="en-IN", **options)
    if user is not None:
        context.add_cookies([{"name": "user", "value": user, "url": address}])
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None,
    )
    yield page
    assert faults == []
    context.close()


def test_a_certificate_is_asserted_updated_and_removed_in_airflows_frame(
    browser: Browser, address: str, two_tenants: World
) -> None:
    with reader(browser, address) as page:
        page.goto(f"{address}/airflow")
        inside = page.frame_locator("iframe")
        inside.get_by_role("link", name="Writing").click()
        with page.expect_download() as download:
            inside.get_by_role("link", name="Sample (PDF)").first.click()
        assert Path(download.value.path()).read_bytes().startswith(b"%PDF")
        assert_then_meet_a_conflict(inside, two_tenants)
        update_then_remove(inside)
    actions = two_tenants.connection.execute(
        "select action from registry.changes where channel = 'page' order by change_id"
    ).fetchall()
    assert actions == [("replaced",), ("removed",)]


def assert_then_meet_a_conflict(inside: FrameLocator, world: World) -> None:
    """Somebody else asserts one between the preview and the button."""
    inside.get_by_role("radio").first.check()
    inside.get_by_label("Minimum mean score").fill("55")
    inside.get_by_role("button", name="Preview").click()
    expect(inside.get_by_role("heading", level=1)).to_have_text("Preview")
    answer = world.api("admin_t", "POST", "/v1/courses/writing/certificate", json=ASSERTION)
    assert answer.status_code == 201
    inside.get_by_role("button", name="Assert certificate").click()
    expect(inside.get_by_role("alert")).to_contain_text("This course already has a certificate.")
    expect(inside.get_by_role("alert")).to_contain_text("certificate_already_attached")
    expect(inside.get_by_label("Minimum mean score")).to_have_value("55")


def update_then_remove(inside: FrameLocator) -> None:
    """On with the form as it was kept, and then off with the certificate."""
    inside.get_by_role("button", name="Preview").click()
    inside.get_by_role("button", name="Update certificate").click()
    expect(inside.get_by_role("status")).to_contain_text("The certificate is updated.")
    expect(inside.get_by_role("listitem").filter(has_text="Mean score of at least 55%").first).to_be_visible()
    inside.get_by_role("link", name="Remove certificate").click()
    expect(inside.get_by_text("0 of 0 people in progress would get")).to_be_visible()
    inside.get_by_role("button", name="Remove certificate").click()
    expect(inside.get_by_role("status")).to_contain_text("The certificate is removed.")


def test_people_who_would_get_it_can_be_looked_at(browser: Browser, address: str) -> None:
    with reader(browser, address) as page:
        page.goto(f"{address}/pramaan/certificates/courses/reading")
        page.get_by_role("button", name="Preview").click()
        listed = page.get_by_text("Chand Lal")
        expect(listed).to_be_hidden()
        page.get_by_role("region", name="In progress").get_by_text("Who?").click()
        expect(listed).to_be_visible()


def test_an_issuer_is_added_and_its_signature_seen(browser: Browser, address: str) -> None:
    with reader(browser, address) as page:
        page.goto(f"{address}/pramaan/certificates/issuers")
        page.get_by_label("Id", exact=True).fill("board-new")
        page.get_by_label("Name", exact=True).fill("New Board")
        page.get_by_label("Name of the person").fill("Dr Roy")
        picture = {"name": "sign.png", "mimeType": "image/png", "buffer": png(400, 160)}
        page.get_by_label("Signature picture").set_input_files(picture)  # type: ignore[arg-type]
        page.get_by_role("button", name="Add issuer").click()
        expect(page.get_by_role("status")).to_contain_text("The issuer is added.")
        width = page.get_by_role("img", name="Signature").evaluate("image => image.naturalWidth")
        assert width > 300
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text("New Board")


@pytest.mark.parametrize("size", [250_000, 3_000_000])
def test_a_picture_that_is_too_large_is_refused_with_words(browser: Browser, address: str, size: int) -> None:
    with reader(browser, address) as page:
        page.goto(f"{address}/pramaan/certificates/issuers/board-t")
        picture = {"name": "sign.png", "mimeType": "image/png", "buffer": png() + bytes(size)}
        page.get_by_label("Signature picture").set_input_files(picture)  # type: ignore[arg-type]
        page.get_by_role("button", name="Save changes").click()
        expect(page.get_by_text("too large")).to_be_visible()


@pytest.mark.parametrize("language", ["en", "ur"])
@pytest.mark.parametrize("width", [360, 1400])
def test_no_page_is_wider_than_its_window(browser: Browser, address: str, width: int, language: str) -> None:
    with reader(browser, address, viewport={"width": width, "height": 800}) as page:
        for path in ("", "/courses/reading", "/courses/reading/remove", "/issuers", "/issuers/board-t"):
            page.goto(f"{address}/pramaan/certificates{path}?language={language}")
            assert_fits(page, language)
        page.goto(f"{address}/pramaan/certificates/courses/reading?language={language}")
        page.locator("button.main").click()
        expect(page.locator(".groups")).to_be_visible()
        assert_fits(page, language)


def test_a_report_is_asked_for_followed_and_scheduled(
    browser: Browser, address: str, two_tenants: World
) -> None:
    give_addresses(two_tenants)
    with reader(browser, address, "mentor_t") as page:
        page.goto(f"{address}/pramaan/certificates/courses/reading")
        page.get_by_role("link", name="Reports").click()
        page.get_by_role("searchbox").fill("reading")
        page.get_by_role("button", name="Search").click()
        expect(page.get_by_label("E-mail")).to_have_value(MEERA)
        page.get_by_label("Password").fill("short")
        page.get_by_role("button", name="Ask for the report").click()
        expect(page.get_by_role("alert")).to_contain_text("password_not_usable")
        expect(page.get_by_role("radio", name="reading-t")).to_be_checked()
        page.get_by_label("Password").fill("long enough")
        page.get_by_role("button", name="Ask for the report").click()
        expect(page.get_by_role("status")).to_contain_text("The report is asked for.")
        expect(page.get_by_text("Waiting")).to_be_visible()
        sent(two_tenants, two_tenants.one("select request_id from ops.report_requests"))
        # It looks again by itself.
        expect(page.get_by_text("To me***@mentors.example")).to_be_visible()
        page.get_by_label("Each week").check()
        page.get_by_role("radio", name="reading-t").check()
        page.get_by_role("button", name="Ask for the report").click()
        expect(page.get_by_role("status")).to_contain_text("The reports are scheduled.")
        page.get_by_role("button", name="Remove the schedule of Batch").click()
        expect(page.get_by_role("status")).to_contain_text("The schedule is removed.")
    assert two_tenants.one("select count(*) from ops.report_schedules") == 0


@pytest.mark.parametrize("language", ["en", "ur"])
@pytest.mark.parametrize(("width", "colours"), [(360, "dark"), (1280, "light")])
def test_the_page_of_reports_fits_and_can_be_read(  # noqa: PLR0917 - pytest passes them by name
    browser: Browser, address: str, two_tenants: World, width: int, colours: str, language: str
) -> None:
    every_state(two_tenants)
    window = {"viewport": {"width": width, "height": 800}, "color_scheme": colours}
    with reader(browser, address, "mentor_t", **window) as page:
        for query in ("", "&q=nothing", "&done=report_asked"):
            page.goto(f"{address}/pramaan/certificates/reports?language={language}{query}")
            expect(page.locator(".rows.reports > li")).to_have_count(len(STATES) + 1)
            assert_fits(page, language)
            assert page.evaluate(FAINT_TEXTS) == []


def assert_fits(page: Page, language: str) -> None:
    """Nothing is to be scrolled sideways, and the page begins on the side where its language does."""
    root = "document.documentElement"
    assert page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") == 0, page.url
    assert page.evaluate(f"getComputedStyle({root}).direction") == ("rtl" if language == "ur" else "ltr")
    mark, current = page.locator(".mark").bounding_box(), page.locator("nav a").first.bounding_box()
    assert mark is not None
    assert current is not None
    if language == "ur":
        assert mark["x"] + mark["width"] >= current["x"] + current["width"]
    else:
        assert mark["x"] <= current["x"]


def test_whoever_is_not_signed_in_sees_where_to(browser: Browser, address: str) -> None:
    with reader(browser, address, user=None) as page:
        page.goto(f"{address}/pramaan/certificates")
        link = page.get_by_role("link", name="Sign in")
        expect(link).to_have_attribute("href", "/auth/login?next=%2Fpramaan%2Fcertificates")
        expect(page.locator("body")).to_have_css("background-color", re.compile(r"rgb\(250, 248, 244\)"))


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_texts_stand_out_from_their_ground(browser: Browser, address: str, colours: str) -> None:
    """WCAG 2.2, 1.4.3: a ratio of 4.5 at least, of every text to the ground that it stands on."""
    with reader(browser, address, color_scheme=colours) as page:
        for path in ("", "/courses/reading", "/courses/reading/remove", "/issuers"):
            page.goto(f"{address}/pramaan/certificates{path}?done=removed")
            assert page.evaluate(FAINT_TEXTS) == []


FAINT_TEXTS = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const over = layers => {
        canvas.clearRect(0, 0, 1, 1);
        for (const colour of layers) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
        return canvas.getImageData(0, 0, 1, 1).data;
    };
    const light = data => [...data].slice(0, 3)
        .map(part => part / 255)
        .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, n) => sum + part * [0.2126, 0.7152, 0.0722][n], 0);
    const faint = [];
    for (const element of document.querySelectorAll('body *')) {
        const says = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
        if (!says || !element.checkVisibility() || element.closest('.skip')) continue;
        const grounds = [];
        for (let at = element; at; at = at.parentElement)
            grounds.unshift(getComputedStyle(at).backgroundColor);
        const ground = light(over(grounds)), ink = light(over([...grounds, getComputedStyle(element).color]));
        const ratio = (Math.max(ground, ink) + 0.05) / (Math.min(ground, ink) + 0.05);
        if (ratio < 4.5) faint.push(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
    }
    return faint;
}"""
