"""Sets up Jinja for a language. Extraction and display share the options, so that both see the same texts.

Texts use Jinja's new style: placeholders are `%(name)s`, filled and escaped by the call, as in
`_('Hello %(name)s', name=name)`; a literal percent sign is `%%`. The text itself counts as markup and is not
escaped, so an ampersand is `&amp;`. In `{% trans %}` line breaks and indentation do not matter.
"""

from typing import TYPE_CHECKING, Any, Final, cast

from pramaan.localisation.catalogues import translations
from pramaan.localisation.languages import require_language

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["EXTRACTION_OPTIONS", "localise"]

EXTRACTION_OPTIONS: Final = {"newstyle_gettext": "true", "trimmed": "true", "silent": "false"}
"""For Babel's `jinja2` extractor; not silent, or a template with a syntax error would count as one without
texts.
"""


def localise(environment: "Environment", language: str) -> None:
    """Make an environment, not yet used, translate into one language; templates see it as `language`.

    `language` is a Language, for `<html lang="{{ language.code }}" dir="{{ language.direction }}">`.

    Raises UnknownLanguageError.
    """
    environment.globals["language"] = require_language(language)
    environment.policies["ext.i18n.trimmed"] = True
    environment.add_extension("jinja2.ext.i18n")
    cast(Any, environment).install_gettext_translations(translations(language), newstyle=True)
