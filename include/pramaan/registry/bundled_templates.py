"""The templates that come with the platform: the folders under `templates/certificates/`."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from pramaan.checking.check import vet
from pramaan.database.connect import Connection
from pramaan.errors import RegistryError
from pramaan.registry.templates import KeptTemplate, is_kept
from pramaan.rendering.fonts import configure_fonts
from pramaan.rendering.template import Template, list_templates, load_template
from pramaan.settings import PROJECT_ROOT

__all__ = ["TEMPLATES", "bundled_template", "bundled_templates", "kept_template", "vetted_template"]

TEMPLATES = PROJECT_ROOT / "templates" / "certificates"


def bundled_templates() -> list[Template]:
    """Every bundled template, by id. Raises TemplateError when one is wrong."""
    return [load_template(TEMPLATES / template_id) for template_id in list_templates(TEMPLATES)]


def bundled_template(template_id: str) -> Template:
    """A bundled template.

    Raises RegistryError `template_not_found`, or TemplateError when it is wrong.
    """
    known = list_templates(TEMPLATES)
    if template_id not in known:
        raise RegistryError(
            "template_not_found", f"there is no template {template_id}; there are: {', '.join(known)}"
        )
    return load_template(TEMPLATES / template_id)


def vetted_template(
    connect: Callable[[], AbstractContextManager[Connection]], template_id: str, *, fonts: Path
) -> KeptTemplate:
    """A bundled template as the registry keeps it, vetted if the registry does not keep this version yet: for
    those seconds no connection is held.

    The fonts are configured under `fonts`. Raises what `bundled_template` raises, and TemplateError when the
    template is hostile or cannot be used.
    """
    kept = kept_template(template_id)
    with connect() as connection:
        is_known = is_kept(connection, kept)
    if not is_known:
        configure_fonts(fonts)
        vet(bundled_template(template_id))
    return kept


def kept_template(template_id: str) -> KeptTemplate:
    """A bundled template as the registry keeps it. Raises what `bundled_template` raises."""
    template = bundled_template(template_id)
    required = frozenset(name for name, described in template.fields.items() if not described.optional)
    return KeptTemplate(template.template_id, template.version, template.pack(), required)
