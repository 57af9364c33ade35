"""The compiled engine, WeasyPrint and Typst side by side: one process, one core, rounds by turns.

By turns, so that whatever else the machine does hits all alike. Two are compared within each round, and the
median of these comparisons counts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

from pramaan.bench.measurement import Measurement
from pramaan.bench.rendering.child import Spent, measured_template, pdf_maker, plain, spent_each
from pramaan.bench.rendering.image_diff import unlike_pct
from pramaan.bench.rendering.rows import CYCLE, Fields, certificates, nothing_in_common
from pramaan.bench.rendering.typst_page import TypstRenderer

__all__ = ["run_comparison"]

_ROUNDS: Final = 5
_WARM_UP: Final = 2 * CYCLE
_LARGE: Final = 72 * CYCLE
_MIDDLE: Final = 16 * CYCLE
_SMALL: Final = 6 * CYCLE
_SMALLEST: Final = 2 * CYCLE
_FAR: Final = 1_000_000
"""Certificates from this one on are in no round."""


@dataclass(frozen=True, slots=True)
class _Runner:
    """Who makes certificates, of what, and how many a round."""

    name: str
    make: Callable[[Any], bytes]
    items: Sequence[Any]
    batch: int

    def spent(self, number: int, folder: Path) -> Spent:
        """What a certificate of this round takes."""
        return spent_each(self.make, self.items[number * self.batch : (number + 1) * self.batch], folder)


def run_comparison(folder: Path) -> list[Measurement]:
    """Certificates a second of each, and the comparisons, in this process; `folder` is for their files."""
    template = measured_template()
    compiled = pdf_maker(template)
    cold_rows = list(certificates(_LARGE, start=_FAR))
    cold = 1 / spent_each(compiled, cold_rows, folder).real
    typst = TypstRenderer(template, folder / "typst")
    unlike = max(
        unlike_pct(compiled(fields), typst(typst.source(fields))) for fields in certificates(_SMALLEST)
    )
    spent = _compared(_runners(compiled, typst, folder), folder)
    rates = {name: [1 / each.real for each in rounds] for name, rounds in spent.items()}
    undisturbed = median(1 / each.processor for each in spent["compiled"])
    return [*_rows(rates, cold=cold, undisturbed=undisturbed), *_ratios(rates, unlike=unlike)]


def _runners(compiled: Callable[[Fields], bytes], typst: TypstRenderer, folder: Path) -> list[_Runner]:
    template, blank = measured_template(), plain(measured_template())
    quick_typst = TypstRenderer(template, folder / "quick-typst", is_archive=False)
    few, many = list(certificates(_ROUNDS * _MIDDLE)), list(certificates(_ROUNDS * _LARGE))
    return [
        _Runner("compiled", compiled, many, _LARGE),
        _Runner("weasyprint", pdf_maker(template, engine="weasyprint"), few, _SMALLEST),
        _Runner("typst", typst, [typst.source(fields) for fields in few], _MIDDLE),
        _Runner("compiled, plain", pdf_maker(blank), many, _LARGE // 2),
        _Runner("weasyprint, plain", pdf_maker(blank, engine="weasyprint"), few, _SMALL),
        _Runner("typst, quick", quick_typst, [quick_typst.source(fields) for fields in few], _MIDDLE),
        _Runner(
            "compiled, nothing in common",
            pdf_maker(template),
            list(nothing_in_common(_ROUNDS * _MIDDLE)),
            _MIDDLE,
        ),
    ]


def _compared(runners: Sequence[_Runner], folder: Path) -> dict[str, list[Spent]]:
    """What a certificate took in every round, by name."""
    for runner in runners:
        spent_each(runner.make, runner.items[-_WARM_UP:], folder)
    spent: dict[str, list[Spent]] = {runner.name: [] for runner in runners}
    for number in range(_ROUNDS):
        for runner in runners:
            spent[runner.name].append(runner.spent(number, folder))
    return spent


def _rows(rates: dict[str, list[float]], *, cold: float, undisturbed: float) -> list[Measurement]:
    rate = {name: median(found) for name, found in rates.items()}
    a_second, typst = "certificates/s", f"Typst {version('typst')}"
    return [
        Measurement("compiled", rate["compiled"], a_second, "at least 1,200",
                    "one core, names in all scripts, each written to a file with its SHA-256; median of 5"),
        Measurement("compiled, slowest round", min(rates["compiled"]), a_second, None, "of the five"),
        Measurement("compiled, by the processor's time", undisturbed, a_second, None,
                    "what a core gives that nothing else asks for"),
        Measurement("compiled, a process's first", cold, a_second, None,
                    f"{_LARGE:,} from an empty process on, the template's compiling included"),
        Measurement("compiled, nothing in common", rate["compiled, nothing in common"], a_second, None,
                    "each certificate has a course of its own"),
        Measurement("compiled, blank background", rate["compiled, plain"], a_second, None, ""),
        Measurement("weasyprint", rate["weasyprint"], a_second, None, "peer: with libharfbuzz-subset"),
        Measurement("weasyprint, blank background", rate["weasyprint, plain"], a_second, None, ""),
        Measurement("typst", rate["typst"], a_second, None,
                    f"peer: {typst}, its compiler kept; an equal page as PDF/A-3u, lines and places given"),
        Measurement("typst, no archive", rate["typst, quick"], a_second, None,
                    "PDF 1.7, which may embed the background as a ready PDF: its quickest way"),
    ]  # fmt: skip


def _ratios(rates: dict[str, list[float]], *, unlike: float) -> list[Measurement]:
    def ratio(one: str, other: str) -> float:
        return median(a / b for a, b in zip(rates[one], rates[other], strict=True))

    return [
        Measurement("compiled over weasyprint", ratio("compiled", "weasyprint"), "times", "at least 17", ""),
        Measurement("the same, blank background", ratio("compiled, plain", "weasyprint, plain"), "times",
                    "at least 17", "both without the drawing, which WeasyPrint draws anew each time"),
        Measurement("compiled over typst", ratio("compiled", "typst"), "times", "at least 8", ""),
        Measurement("compiled over typst, no archive", ratio("compiled", "typst, quick"), "times", None,
                    "compiled still PDF/A-3u"),
        Measurement("typst's page unlike ours", unlike, "% of pixels", None,
                    f"at most, of {_SMALLEST} certificates at 108 dpi"),
    ]  # fmt: skip
