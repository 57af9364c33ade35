"""The templates that come with the platform: the folders under `templates/certificates/`."""

from pramaan.certificates.template import Template, list_templates, load_template
from pramaan.errors import RegistryError
from pramaan.registry.templates import KeptTemplate
from pramaan.settings import PROJECT_ROOT

__all__ = ["TEMPLATES", "bundled_template", "bundled_templates", "kept_template"]

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


def kept_template(template_id: str) -> KeptTemplate:
    """A bundled template as the registry keeps it. Raises what `bundled_template` raises."""
    template = bundled_template(template_id)
    required = frozenset(name for name, described in template.fields.items() if not described.optional)
    return KeptTemplate(template.template_id, template.version, template.pack(), required)
