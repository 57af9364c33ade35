"""How large certificates are: every bundled template, every script, names short, usual and longest."""

from pathlib import Path
from statistics import median
from typing import Final

from pramaan.bench.measurement import Measurement
from pramaan.bench.rendering.child import pdf_maker
from pramaan.registry.bundled_templates import bundled_templates
from pramaan.rendering.samples import LONGEST_NAMES, NAMES
from pramaan.rendering.template import Template
from pramaan.sample.names import NAMES as NAME_PARTS

__all__ = ["measure_sizes"]

_KINDS: Final = ("short", "usual", "longest")


def measure_sizes(folder: Path) -> list[Measurement]:
    """The median and the largest of all, and of each template."""
    del folder
    by_template = {template.template_id: _sizes(template) for template in bundled_templates()}
    sizes = {f"{name}, {case}": size for name, cases in by_template.items() for case, size in cases.items()}
    largest = max(sizes, key=lambda case: sizes[case])
    return [
        Measurement("size, median", median(sizes.values()) / 1000, "kB", "at most 40",
                    f"{len(sizes)} cases: templates, languages, names {', '.join(_KINDS)}; with a signature"),
        Measurement("size, largest", sizes[largest] / 1000, "kB", "at most 200", largest),
        *(
            Measurement(f"size of {name}, median", median(cases.values()) / 1000, "kB", None,
                        f"largest {max(cases.values()) / 1000:.1f}")
            for name, cases in by_template.items()
        ),
    ]  # fmt: skip


def _sizes(template: Template) -> dict[str, int]:
    """Bytes by language and kind of name."""
    make = pdf_maker(template)
    fields = template.sample_fields()
    return {
        f"{language}, {kind}": len(make({**fields, "language": language, "recipient_name": name}))
        for language, usual in NAMES.items()
        for kind, name in zip(
            _KINDS, (NAME_PARTS[language][0][0], usual, LONGEST_NAMES[language]), strict=True
        )
    }
