"""Data Docs in the web: pages of the home's folder, to admins and to nobody else."""

from pathlib import Path

import pytest
from web_worlds import Api, assert_problem, open_api

from pramaan.database.connect import Connection
from pramaan.registry.grants import Grant, add_grant
from pramaan.settings import PREFIX, Settings
from worlds import TESTER


@pytest.fixture
def docs(settings: Settings, connection: Connection, tmp_path: Path) -> Path:
    """A folder of Data Docs, with a secret beside it."""
    for username, role in (("admin", "admin"), ("viewer", "viewer")):
        add_grant(connection, Grant(username, role, None), by=TESTER)  # type: ignore[arg-type]
    add_grant(connection, Grant("admin_t", "admin", "t"), by=TESTER)
    folder = tmp_path / "home" / "quality"
    (folder / "loads").mkdir(parents=True)
    for name in ("index.html", "quality.css", "loads/7.html", "loads/x.html", ".unfinished.tmp"):
        (folder / name).write_text(f"this is {name}")
    (folder.parent / "secret.html").write_text("secret")
    (folder.parent / "secrets").symlink_to(settings.secrets)
    return folder


@pytest.fixture
def api(docs: Path, settings: Settings) -> object:
    """The API on that home."""
    with open_api(settings.model_copy(update={"home": docs.parent})) as opened:
        yield opened


@pytest.mark.parametrize(
    ("path", "name", "media_type"),
    [("/quality/", "index.html", "text/html"), ("/quality/index.html", "index.html", "text/html"),
     ("/quality/quality.css", "quality.css", "text/css"),
     ("/quality/loads/7.html", "loads/7.html", "text/html")],
)  # fmt: skip
def test_an_admin_reads_the_pages(path: str, name: str, media_type: str, api: Api) -> None:
    for caller in ("admin", "admin_t"):
        answer = api(caller, "GET", path)
        assert (answer.status_code, answer.text) == (200, f"this is {name}")
        assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "script-src" not in policy
        assert "frame-ancestors 'self'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_folder_leads_to_its_index(api: Api) -> None:
    answer = api("admin", "GET", "/quality")
    assert (answer.status_code, answer.headers["location"]) == (307, f"{PREFIX}/quality/")


@pytest.mark.parametrize("path", ["/quality", "/quality/", "/quality/index.html", "/quality/loads/7.html"])
def test_to_others_there_is_nothing(path: str, api: Api) -> None:
    for caller in ("viewer", "stranger"):
        assert_problem(api(caller, "GET", path), 404, "page_not_found")
    assert_problem(api(None, "GET", path), 401, "not_signed_in")


@pytest.mark.parametrize(
    "path",
    ["loads/x.html", "loads/8.html", "loads", "loads/", ".unfinished.tmp", "../secret.html",
     "%2e%2e/secret.html", "..%2fsecret.html", "loads/..%2f..%2fsecret.html", "/etc/passwd",
     "%2fetc%2fpasswd", "loads/7.html/", "INDEX.HTML", "loads\\7.html", "loads/7.html%00",
     "loads/7.html%0a", "loads/%d9%a7.html", "../secrets/certificate_id.key"],
)  # fmt: skip
def test_nothing_else_is_served(path: str, api: Api) -> None:
    answer = api.client.get(
        f"http://testserver{PREFIX}/quality/{path}",
        headers={"authorization": f"Bearer {api._token('admin')}"},
        follow_redirects=False,
    )
    assert answer.status_code == 404
    assert "secret" not in answer.text or "page_not_found" in answer.text


def test_before_the_first_check_the_index_says_so(api: Api, docs: Path) -> None:
    (docs / "index.html").unlink()
    answer = api("admin", "GET", "/quality/")
    assert answer.status_code == 200
    assert "No load has been checked yet" in answer.text
