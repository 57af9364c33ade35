"""Templates: what is refused, and that a version is the content and nothing else."""

import shutil
from pathlib import Path

import pytest

from pramaan.errors import TemplateError
from pramaan.rendering.template import CONTRACT_FIELDS, list_templates, load_template, unpack_template

CLASSIC = Path(__file__).parents[2] / "templates" / "certificates" / "classic"


@pytest.fixture
def copied_template(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CLASSIC, tmp_path / "classic"))


def test_the_bundled_template_declares_the_contract_fields() -> None:
    template = load_template(CLASSIC)
    assert set(CONTRACT_FIELDS) <= set(template.fields)
    optional = {name for name, field in template.fields.items() if field.optional}
    assert optional == {"signatory_name", "signatory_designation", "issuer_url"}
    assert all(field.sample for field in template.fields.values())


def test_version_is_the_content_wherever_it_lies(copied_template: Path) -> None:
    (copied_template / ".DS_Store").write_bytes(b"a desktop's droppings")
    assert load_template(copied_template).version == load_template(CLASSIC).version


@pytest.mark.parametrize("change", ["edit", "rename", "add"])
def test_version_follows_every_change(copied_template: Path, change: str) -> None:
    before = load_template(copied_template).version
    (copied_template / "note.svg").write_bytes(b"<svg/>")
    with_note = load_template(copied_template).version
    if change == "edit":
        (copied_template / "note.svg").write_bytes(b"<svg />")
    elif change == "rename":
        (copied_template / "note.svg").rename(copied_template / "notf.svg")
    else:
        (copied_template / "sub").mkdir()
        (copied_template / "sub" / "note.svg").write_bytes(b"<svg/>")
    assert len({before, with_note, load_template(copied_template).version}) == 3


def test_packing_is_deterministic_and_keeps_everything() -> None:
    template = load_template(CLASSIC)
    assert template.pack() == load_template(CLASSIC).pack()
    assert unpack_template("classic", template.pack()) == template


def test_a_broken_archive_is_refused() -> None:
    with pytest.raises(TemplateError, match="packed template cannot be read"):
        unpack_template("classic", b"PK no zip")


@pytest.mark.parametrize("name", ["template.yml", "certificate.html", "certificate.css"])
def test_a_missing_file_is_named(copied_template: Path, name: str) -> None:
    (copied_template / name).unlink()
    with pytest.raises(TemplateError, match=name):
        load_template(copied_template)


DESCRIPTION = """
title: Small
fields:
  recipient_name: { sample: Asha }
  course_name: { sample: Maths }
  completed_at: { sample: "2026-07-14T09:30:00Z" }
  issuer_name: { sample: Council }
  signatory_name: { sample: Meera, optional: true }
  signatory_designation: { sample: Director, optional: true }
  verify_url: { sample: "https://example.gov.in/verify/1" }
  language: { sample: en }
areas:
  recipient_name: { sizes_pt: [30, 20], lines: 2, wrap_from_pt: 20, align: bottom }
texts:
  heading: { en: Certificate, hi: प्रमाणपत्र }
  month: { en: Month }
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  recipient_name: { sample: Asha }", "", "recipient_name"),
        ("{ sample: en }", "{ example: en }", "fields.language"),
        ("title: Small", "title: [", "no YAML"),
        ("title: Small", "", "title"),
        ("sizes_pt: [30, 20]", "sizes_pt: []", "areas.recipient_name.sizes_pt"),
        ("sizes_pt: [30, 20]", "sizes_pt: [20, 30]", "must fall"),
        ("sizes_pt: [30, 20]", "sizes_pt: [30, -1]", "areas.recipient_name.sizes_pt"),
        ("align: bottom", "align: baseline", "areas.recipient_name.align"),
        ("{ en: Month }", "{ hi: माह }", "no English"),
    ],
)
def test_a_wrong_description_is_refused_with_where(
    copied_template: Path, old: str, new: str, said: str
) -> None:
    assert DESCRIPTION.count(old) == 1
    (copied_template / "template.yml").write_text(DESCRIPTION.replace(old, new))
    with pytest.raises(TemplateError, match=said) as rejection:
        load_template(copied_template)
    assert "classic/template.yml" in str(rejection.value)


def test_a_language_is_spoken_when_every_text_is_there_in_it(copied_template: Path) -> None:
    (copied_template / "template.yml").write_text(DESCRIPTION)
    template = load_template(copied_template)
    assert template.languages == ("en",)
    assert template.language_for("hi") == "en"
    (copied_template / "template.yml").write_text(
        DESCRIPTION.replace("{ en: Month }", "{ en: Month, hi: माह }")
    )
    template = load_template(copied_template)
    assert template.languages == ("en", "hi")
    assert template.language_for("hi-IN") == "hi"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="no such template folder"):
        load_template(tmp_path / "classic")


def test_templates_are_listed_by_name(copied_template: Path) -> None:
    shutil.copytree(copied_template, copied_template.parent / "a-second")
    (copied_template.parent / "no-template").mkdir()
    assert list_templates(copied_template.parent) == ("a-second", "classic")
