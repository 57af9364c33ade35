"""`make messages`: what it finds, and that it changes nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from pramaan.localisation import LANGUAGES
from pramaan.localisation.catalogues import CATALOGUES, catalogue_path
from pramaan.localisation.messages import main, source_messages, template_path, template_text, update

COMMAND = "-m pramaan.localisation.messages"
CHECKOUT = Path(__file__).resolve().parents[2]


def files_under(folder: Path) -> dict[str, bytes]:
    """Every file of the catalogues in a folder."""
    paths = [*folder.glob("*.pot"), *folder.glob("locales/**/*.*")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture
def copy_of_catalogues(tmp_path: Path) -> Path:
    """The catalogues as they are, in a folder of their own."""
    for name, content in files_under(CATALOGUES).items():
        path = tmp_path / "catalogues" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "catalogues"


@pytest.fixture
def small_checkout(tmp_path: Path) -> Path:
    """A checkout whose package, page and mail hold one text of each kind."""
    texts = {
        "include/pramaan/room.py": (
            "# Translators: A greeting.\n"
            '_("Hello %(name)s")\n'
            'NAMES = {"a": gettext_noop("Late")}\n'
            'ngettext("%(num)s day", "%(num)s days", 2)\n'
            'pgettext("month", "May")\n'
            '_(variable), gettext(variable), other("not this")\n'
        ),
        "templates/pages/a/page.html": (
            "{# Translators: A button. #}\n<p title=\"{{ _('Send') }}\">\n"
            "{% trans name=user.name %}\n  Dear\n  {{ name }}\n{% endtrans %}\n"
            "{% trans count=n %}{{ count }} row{% pluralize %}{{ count }} rows{% endtrans %}\n"
            "{{ _('All 100%%') }}"
        ),
        "templates/mail/note.txt": "{{ _('Hello %(name)s', name=name) }}",
        "templates/certificates/classic/certificate.html": "{{ _('of the certificate') }}",
    }
    for name, text in texts.items():
        path = tmp_path / "checkout" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return tmp_path / "checkout"


def test_the_template_holds_every_text_of_the_code() -> None:
    assert template_path(CATALOGUES).read_text() == template_text(source_messages()), "run `make messages`"


def test_the_catalogues_are_up_to_date(copy_of_catalogues: Path) -> None:
    assert update(copy_of_catalogues) == [], "run `make messages`"


def test_the_command_of_make_changes_nothing_when_run_again(copy_of_catalogues: Path) -> None:
    assert f"\n\t@.venv/bin/python {COMMAND}\n" in (CHECKOUT / "Makefile").read_text()
    before = files_under(copy_of_catalogues)
    ran = subprocess.run(
        [sys.executable, *COMMAND.split(), str(copy_of_catalogues)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (ran.stdout, ran.stderr) == ("", "")
    assert files_under(copy_of_catalogues) == before


def test_new_catalogues_wait_for_their_translations(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 0
    assert len(files_under(tmp_path)) == len(LANGUAGES)
    said = capsys.readouterr().out
    assert said.count("brought up to date") == len(LANGUAGES)
    assert said.count("to translate") == len(LANGUAGES) - 1

    first = files_under(tmp_path)
    assert update(tmp_path) == []
    assert files_under(tmp_path) == first


def test_marked_texts_are_found_in_code_and_templates(small_checkout: Path) -> None:
    messages = source_messages(small_checkout)
    assert {message.id for message in messages if message.id} == {
        "Hello %(name)s",
        "Late",
        ("%(num)s day", "%(num)s days"),
        "May",
        "Send",
        "Dear %(name)s",
        ("%(count)s row", "%(count)s rows"),
        "All 100%%",
    }
    greeting, button, month = messages["Hello %(name)s"], messages["Send"], messages.get("May", "month")
    assert [file for file, _ in greeting.locations] == ["include/pramaan/room.py", "templates/mail/note.txt"]
    assert greeting.auto_comments == ["A greeting."]
    assert button.auto_comments == ["A button."]
    assert month is not None


def test_a_template_with_a_syntax_error_is_not_passed_over(small_checkout: Path) -> None:
    (small_checkout / "templates/pages/a/page.html").write_text("{{ _('Send') }}{% if %}")
    with pytest.raises(Exception, match="Expected an expression"):
        source_messages(small_checkout)


def test_a_changed_text_is_new_and_its_old_translation_gone(small_checkout: Path, tmp_path: Path) -> None:
    update(tmp_path, checkout=small_checkout)
    catalogue = catalogue_path("hi", folder=tmp_path)
    empty = catalogue.read_text()
    catalogue.write_text(
        empty.replace(
            'msgid "Late"\nmsgstr ""', '# Checked by a teacher.\nmsgid "Late"\nmsgstr "देर"'
        ).replace('msgid "Send"\nmsgstr ""', 'msgid "Send"\nmsgstr "भेजें"')
    )
    room = small_checkout / "include/pramaan/room.py"
    room.write_text("\n\n" + room.read_text().replace("Hello", "Good day,"))
    page = small_checkout / "templates/pages/a/page.html"
    page.write_text(page.read_text().replace("'Send'", "'Send it'"))

    update(tmp_path, checkout=small_checkout)

    text = catalogue.read_text()
    assert '# Checked by a teacher.\n#: include/pramaan/room.py\nmsgid "Late"\nmsgstr "देर"\n' in text
    assert 'msgid "Send it"\nmsgstr ""\n' in text
    assert 'msgid "Good day, %(name)s"\nmsgstr ""\n' in text
    assert "भेजें" not in text
    assert "fuzzy" not in text
    assert "#~" not in text


def test_a_template_says_neither_when_nor_by_what_it_was_made() -> None:
    text = template_path(CATALOGUES).read_text()
    assert "-Date:" not in text
    assert "Generated-By" not in text
    assert not [line for line in text.splitlines() if line.startswith("#:") and line[-1].isdigit()]
