"""A check tells everything at once, by file and line; the how-to's example has nothing to tell."""

import io
import random
from pathlib import Path

import pytest
from PIL import Image

from plain_template import plain_files, write_template
from pramaan.checking.check import Finding, check_template
from pramaan.localisation import LANGUAGES
from pramaan.rendering.fonts import configure_fonts
from pramaan.rendering.samples import LONGEST_NAMES, NAMES
from pramaan.rendering.template import list_templates
from pramaan.settings import PROJECT_ROOT

TEMPLATES = PROJECT_ROOT / "templates" / "certificates"


@pytest.fixture(scope="module", autouse=True)
def _fonts(tmp_path_factory: pytest.TempPathFactory) -> None:
    configure_fonts(tmp_path_factory.mktemp("fonts"))


def told(findings: list[Finding]) -> dict[tuple[str, int | None], str]:
    return {(finding.file, finding.line): f"{finding.severity}: {finding.message}" for finding in findings}


def line_of(file: str, text: str) -> int:
    lines = plain_files()[file].decode().splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


def test_the_how_to_s_example_is_without_fault(tmp_path: Path) -> None:
    assert set(plain_files()) == {"template.yml", "certificate.html", "certificate.css", "frame.svg"}
    findings = check_template(write_template(tmp_path / "plain"))
    assert [(f.severity, f.message) for f in findings] == [("note", "complete in: en, hi")]


@pytest.mark.long
@pytest.mark.parametrize("template_id", list_templates(TEMPLATES))
def test_what_is_bundled_has_no_error(template_id: str) -> None:
    findings = check_template(TEMPLATES / template_id)
    assert [finding for finding in findings if finding.severity == "error"] == []


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    html, css = plain_files()["certificate.html"].decode(), plain_files()["certificate.css"].decode()
    folder = write_template(
        tmp_path / "plain",
        {
            "certificate.html": html.replace("{{ text.heading }}</h1>", "{{ text.headnig }}</h1>")
            .replace(
                '{% if signatory_name %}<p id="signatory_name">{{ signatory_name }}</p>{% endif %}',
                '<p id="signatory_name">{{ signatory_name }}</p>',
            )
            .replace('<p class="phrase">{{ text.completed }}</p>', '<p class="phrase">{{ course }}</p>')
            .replace('alt="{{ text.signature }}"', 'alt="Signature"')
            .replace('src="frame.svg"', 'src="fraem.svg"'),
            "certificate.css": css.replace("color: #8a6d2f", "colour: #8a6d2f").replace(
                "top: 44mm", "top: 44mn"
            ),
            "frame.svg": plain_files()["frame.svg"].decode().replace("<rect", "<text>Seal</text>\n<rect"),
            "logo.gif": b"GIF89a",
            "unused.png": b"",
        },
    )
    found = told(check_template(folder))
    heading = line_of("certificate.css", "color: #8a6d2f")
    assert set(found) == {
        ("certificate.html", line_of("certificate.html", "frame.svg")),
        ("certificate.html", line_of("certificate.html", "<h1>")),
        ("certificate.html", line_of("certificate.html", "text.completed")),
        ("certificate.html", line_of("certificate.html", "{% if signatory_name %}")),
        ("certificate.css", heading),
        ("frame.svg", 2),
        ("frame.svg", None),
        ("template.yml", line_of("template.yml", "  signature: {")),
        ("logo.gif", None),
        ("unused.png", None),
        ("template.yml", None),  # the note that names the languages
        ("template.yml", line_of("template.yml", "  completed: {")),
    }
    assert "colour" in found["certificate.css", heading] or "top" in found["certificate.css", heading]
    assert "convert it to paths" in found["frame.svg", 2]
    assert "no such text" in found["certificate.html", line_of("certificate.html", "<h1>")]
    assert (
        "{% if signatory_name %}"
        in found["certificate.html", line_of("certificate.html", "{% if signatory_name %}")]
    )


def test_a_description_is_told_by_its_lines(tmp_path: Path) -> None:
    description = plain_files()["template.yml"].decode()
    changed = (
        description.replace("sizes_pt: [16, 13, 11]", "sizes: [16, 13, 11]")
        .replace("sizes_pt: [14, 12]", "sizes_pt: [12, 14]")
        .replace('sample: "2026-07-14T09:30:00Z"', "sample: 2026-07-14T09:30:00Z")
    )
    found = told(check_template(write_template(tmp_path / "plain", {"template.yml": changed})))
    assert {
        ("template.yml", line_of("template.yml", "  issuer_name: { sizes_pt")),
        ("template.yml", line_of("template.yml", "completed_month:")),
        ("template.yml", line_of("template.yml", "completed_at:")),
    } <= set(found)
    broken = told(
        check_template(write_template(tmp_path / "broken", {"template.yml": description + "\nx: [\n"}))
    )
    assert "no YAML" in next(said for (file, line), said in broken.items() if file == "template.yml" and line)


def test_missing_files_and_syntax_are_told(tmp_path: Path) -> None:
    folder = write_template(tmp_path / "plain", html=("{% if signature_url %}", "{% if signature_url }"))
    found = told(check_template(folder))
    assert found["certificate.html", line_of("certificate.html", "signature_url")].startswith("error: ")
    (folder / "certificate.css").unlink()
    assert "error: the file is missing" in told(check_template(folder)).values()
    assert "no such template folder" in check_template(tmp_path / "none")[0].message


TWO_PAGES = """
body::before, body::after { content: "x"; display: block }
body::before { break-after: page }
"""
PLACES = {
    "overlap": (
        "#course_name { font-weight: bold; height: 22mm; top: 118mm }",
        "#course_name { font-weight: bold; height: 22mm; top: 130mm }",
        "#course_name and #completed_month overlap, by 237.0 by 8.0 mm",
    ),
    "QR code under an area": ("left: 225mm; top: 152mm", "left: 60mm; top: 152mm", "overlap"),
    "small QR code": (
        "height: 28mm; left: 225mm; top: 152mm; width: 28mm",
        "height: 15mm; left: 225mm; top: 152mm; width: 15mm",
        "#qr_code has 15.0 mm",
    ),
    "oblong QR code": ("top: 152mm; width: 28mm", "top: 152mm; width: 30mm", "as wide as it is high"),
    "off the page": (
        "height: 28mm; left: 225mm",
        "height: 28mm; left: 280mm",
        "#qr_code reaches over the edge",
    ),
    "area without height": ("#completed_month { height: 8mm;", "#completed_month {", "#completed_month"),
    "padding": ("#issuer_name { height: 14mm;", "#issuer_name { height: 14mm; padding: 1mm;", "no padding"),
    "two pages": ("body, h1, p { margin: 0 }", f"body, h1, p {{ margin: 0 }}\n{TWO_PAGES}", "2 pages"),
    "translucent": ("h1 { color: #8a6d2f;", "h1 { color: #8a6d2f80;", "translucent"),
}


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=() if case in {"overlap", "padding"} else pytest.mark.slow) for case in PLACES],
)
def test_the_laid_out_page_is_measured(case: str, tmp_path: Path) -> None:
    old, new, said = PLACES[case]
    errors = [
        f for f in check_template(write_template(tmp_path / "plain", css=(old, new))) if f.severity == "error"
    ]
    assert any(said in finding.message for finding in errors), errors


@pytest.mark.slow
def test_samples_and_sizes_are_tried(tmp_path: Path) -> None:
    noise = Image.frombytes("RGB", (400, 300), random.Random(1).randbytes(360_000))
    noise.save(picture := io.BytesIO(), "PNG")
    heavy = {"noise.png": picture.getvalue()}
    found = check_template(write_template(tmp_path / "a", heavy, html=("frame.svg", "noise.png")))
    assert any("it may have 200000" in f.message and f.severity == "error" for f in found)
    description = plain_files()["template.yml"].decode()
    emoji = {
        "template.yml": description.replace("Ananya", "\U0001f389").replace(
            "heading: { en: C", "heading: { en: \U0001f389"
        )
    }
    lines = {f.line for f in check_template(write_template(tmp_path / "b", emoji)) if "U+1F389" in f.message}
    assert {line_of("template.yml", "Ananya"), line_of("template.yml", "heading:")} <= lines
    narrow = {"template.yml": description.replace("sizes_pt: [40, 32, 26, 20]", "sizes_pt: [40]")}
    found = check_template(write_template(tmp_path / "c", narrow))
    assert [f for f in found if f.severity == "error"] == []
    assert any(
        f.severity == "warning" and "characters in മലയാളം (ml) does not fit" in f.message for f in found
    )
    long = {"template.yml": description.replace("Ananya Bhattacharya", "Ananya " * 40)}
    assert any(
        "recipient_name" in f.message and f.severity == "error"
        for f in check_template(write_template(tmp_path / "d", long))
    )


@pytest.mark.slow
def test_what_is_of_no_use_is_a_warning(tmp_path: Path) -> None:
    description = plain_files()["template.yml"].decode()
    changed = (
        description.replace("  verify_url:", "  issuer_url: { sample: x, optional: true }\n  verify_url:")
        .replace("areas:\n", "areas:\n  seal: { sizes_pt: [9] }\n")
        .replace("texts:\n", "texts:\n  motto: { en: Learn, hi: सीखो, ta: கற்க }\n")
    )
    html = plain_files()["certificate.html"].decode().replace(' alt=""', "")
    found = check_template(
        write_template(tmp_path / "plain", {"template.yml": changed, "certificate.html": html})
    )
    warnings = " ".join(finding.message for finding in found if finding.severity == "warning")
    assert [finding for finding in found if finding.severity == "error"] == []
    for said in (
        "texts.motto is printed nowhere",
        "areas.seal: no element",
        "fields.issuer_url is printed nowhere",
        "not complete in தமிழ் (ta)",
        "<img> needs alt",
    ):
        assert said in warnings


@pytest.mark.slow
def test_the_order_of_painting_is_a_warning(tmp_path: Path) -> None:
    found = check_template(
        write_template(
            tmp_path / "plain",
            css=(
                "#issuer_name { height: 14mm; top: 26mm }",
                "#issuer_name { height: 14mm; top: 26mm; z-index: 3 }",
            ),
        )
    )
    assert any("painted after them" in f.message and f.severity == "warning" for f in found)


def test_there_is_a_name_for_every_language() -> None:
    assert set(NAMES) == set(LONGEST_NAMES) == set(LANGUAGES)
    assert all(55 <= len(name) <= 65 for name in LONGEST_NAMES.values())


def test_a_font_that_is_not_there_is_told(tmp_path: Path) -> None:
    folder = write_template(tmp_path / "plain", css=("body, h1", "h1 { font-family: Mangal }\nbody, h1"))
    assert (
        "there is no font 'Mangal'"
        in told(check_template(folder))["certificate.css", line_of("certificate.css", "body, h1")]
    )
