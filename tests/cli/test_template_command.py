"""`pramaan template`: what a designer sees; no database, no home."""

import json
import os
from pathlib import Path

import pytest
from people import call_process
from PIL import Image

from plain_template import write_template


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A person without a home of ours."""
    return {"PATH": os.environ["PATH"], "PRAMAAN_HOME": str(tmp_path / "none")}


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """The how-to's example, in a folder."""
    return write_template(tmp_path / "plain")


def test_a_good_template_passes(environment: dict[str, str], plain: Path, tmp_path: Path) -> None:
    done = call_process(environment, "template", "check", plain)
    assert done.returncode == 0, done.stderr
    assert "plain: 0 errors, 0 warnings" in done.stdout
    assert not (tmp_path / "none").exists()


def test_a_bad_one_fails_by_file_and_line(environment: dict[str, str], plain: Path) -> None:
    (plain / "certificate.css").write_text("h1 { colour: red }\n")
    done = call_process(environment, "template", "check", plain)
    assert done.returncode == 1
    assert "plain/certificate.css, line 1: error: " in done.stdout
    seen = json.loads(call_process(environment, "template", "check", plain, "--json").stdout)
    assert (seen["template"], seen["errors"]) == ("plain", 1)
    assert {"severity", "message", "file", "line"} == set(seen["findings"][0])


def test_a_preview_is_pictures_of_every_language(
    environment: dict[str, str], plain: Path, tmp_path: Path
) -> None:
    done = call_process(environment, "template", "preview", plain, "--out", tmp_path / "seen")
    assert done.returncode == 0, done.stderr
    names = {Path(line).name for line in done.stdout.splitlines()}
    kinds = {"en", "hi", "en-longest-name", "hi-longest-name", "en-no-signatory"}
    assert names == {f"{kind}.{suffix}" for kind in kinds for suffix in ("pdf", "png")}
    assert names == {path.name for path in (tmp_path / "seen").iterdir()}
    with Image.open(tmp_path / "seen" / "hi.png") as picture:
        assert picture.size == (1754, 1241)
    assert done.stderr == ""


@pytest.mark.slow
def test_a_preview_of_one_language_and_of_none(
    environment: dict[str, str], plain: Path, tmp_path: Path
) -> None:
    done = call_process(
        environment, "template", "preview", plain, "--out", tmp_path / "seen", "--language", "hi"
    )
    assert {Path(line).name.partition("-")[0].partition(".")[0] for line in done.stdout.splitlines()} == {
        "hi"
    }
    refused = call_process(environment, "template", "preview", plain, "--language", "ta")
    assert refused.returncode == 2
    assert "not complete in ta" in refused.stderr


def test_a_hostile_template_is_not_previewed(
    environment: dict[str, str], plain: Path, tmp_path: Path
) -> None:
    html = (plain / "certificate.html").read_text()
    (plain / "certificate.html").write_text(html.replace("frame.svg", "file:///etc/passwd"))
    done = call_process(environment, "template", "preview", plain, "--out", tmp_path / "seen")
    assert done.returncode == 1
    assert "refers to 'file:///etc/passwd'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "seen").exists()
