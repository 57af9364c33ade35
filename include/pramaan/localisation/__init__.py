"""Localisation: every text that people read in their own language, in gettext catalogues that Babel reads.

A text is written once, in English, where it is shown:

1. In Python: `_ = gettext_in(language)`, then `_("Hello %(name)s") % {"name": name}`; a module constant is
   marked with `gettext_noop` and translated when it is shown. In a template under `templates/` (except
   certificates, whose texts belong to their version): `{{ _('...') }}` or `{% trans %}`, in an environment
   set up by `localise`. A comment that begins with `Translators:` on the line before goes to the translators.
   The marked text is a literal: never an f-string, never put together from parts.
2. `make messages` updates `pramaan.pot` and each `locales/<language>/LC_MESSAGES/pramaan.po`: a new text is
   added with an empty `msgstr`, a deleted one is removed, a changed one counts as new.
3. Fill in the empty `msgstr`s; keep placeholders such as `%(name)s` and any markup. Then the tests in
   `tests/localisation` pass again: until then a missing text is shown in English.

Nothing is compiled into files, so an edited catalogue takes effect at the next start. To add a language, add
its code to `languages.py`, run `make messages`, and translate.

This package imports no other package but the errors. It chooses no language for a user and formats no dates.
"""

from pramaan.localisation.catalogues import gettext_in, gettext_noop, translations
from pramaan.localisation.jinja import localise
from pramaan.localisation.labels import labels_in
from pramaan.localisation.languages import LANGUAGES, SOURCE_LANGUAGE, Language, negotiate

__all__ = [
    "LANGUAGES",
    "SOURCE_LANGUAGE",
    "Language",
    "gettext_in",
    "gettext_noop",
    "labels_in",
    "localise",
    "negotiate",
    "translations",
]
