"""Templates in a language."""

import pytest
from jinja2 import Environment, StrictUndefined

from pramaan.errors import UnknownLanguageError
from pramaan.localisation import localise


def environment_in(language: str) -> Environment:
    """The kind of environment pages are drawn with."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    localise(environment, language)
    return environment


def test_a_page_is_in_its_language_and_direction() -> None:
    page = "<html lang='{{ language.code }}' dir='{{ language.direction }}'>{{ _('Certificate') }}"
    assert environment_in("ur").from_string(page).render() == "<html lang='ur' dir='rtl'>سرٹیفکیٹ"
    assert environment_in("hi").from_string(page).render() == "<html lang='hi' dir='ltr'>प्रमाणपत्र"
    assert environment_in("en").from_string(page).render() == "<html lang='en' dir='ltr'>Certificate"


def test_a_block_is_found_whatever_its_line_breaks() -> None:
    page = "{% trans %}\n   Download\n   certificate\n{% endtrans %}"
    assert environment_in("ta").from_string(page).render() == "சான்றிதழைப் பதிவிறக்கவும்"


def test_values_are_escaped_and_the_text_is_markup() -> None:
    page = environment_in("hi").from_string("{{ _('<b>%(name)s</b> &amp; 100%%', name=name) }}")
    assert page.render(name="<i>") == "<b>&lt;i&gt;</b> &amp; 100%"


def test_plurals_and_contexts_work() -> None:
    page = "{{ ngettext('%(num)s day', '%(num)s days', n) }} {{ pgettext('month', 'May') }}"
    assert environment_in("hi").from_string(page).render(n=1) == "1 day May"
    assert environment_in("en").from_string(page).render(n=3) == "3 days May"


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(UnknownLanguageError):
        environment_in("fr")
