"""Where the processor's time for one certificate goes: a sample of what runs, at the kernel's ticks.

Sampled, not timed by parts: clocks around calls that take microseconds would measure themselves. A sample
belongs to the innermost function of ours on the stack; what it calls in C is told only when that returns, and
so belongs to it too.
"""

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Final

from pramaan.bench.measurement import Measurement
from pramaan.bench.rendering.child import measured_template, pdf_maker, spent_each
from pramaan.bench.rendering.rows import CYCLE, certificates

__all__ = ["measure_profile"]

_BATCH: Final = 72 * CYCLE
_SAMPLED_BATCHES: Final = 10
_TIMED_BATCHES: Final = 5
_INTERVAL_SECONDS: Final = 0.001

_PHASES: Final = {
    "checks": "fields, language, month, the page that was compiled; the assertion",
    "shaping": "fitting, and shaping by Pango",
    "QR code": "libqrencode, and its path",
    "fonts": "cutting out the glyphs, their widths and characters",
    "PDF": "operators, objects, the table of them, its identifier",
    "compression": "by libdeflate",
    "hash": "SHA-256 of the file",
    "write": "the file, without waiting for the disk",
    "rest": "what belongs to none of these",
}
_MODULES: Final = {
    "badge_assertion": "checks",
    "compiled_engine": "PDF",
    "fields": "checks",
    "fit": "shaping",
    "font_subset": "fonts",
    "fonts": "checks",
    "full_engine": "rest",
    "geometry": "shaping",
    "layers": "PDF",
    "layouter": "shaping",
    "markup": "checks",
    "page": "shaping",
    "pairs": "shaping",
    "pdf": "PDF",
    "qr": "QR code",
    "renderer": "checks",
    "template": "checks",
    "structure": "PDF",
    "text": "shaping",
}
"""The phase of each module of `pramaan.rendering`."""

_FUNCTIONS: Final = {
    ("child", "_digest"): "hash",
    ("child", "_write"): "write",
    ("layers", "_font"): "fonts",
    ("layers", "_used_glyphs"): "fonts",
    ("layers", "_with_company"): "fonts",
    ("pdf", "_subset_name"): "fonts",
    ("pdf", "_to_unicode"): "fonts",
    ("pdf", "font_objects"): "fonts",
    ("pdf", "stream"): "compression",
    ("text", "actual_text"): "PDF",
}
"""Functions of another phase than their module's."""


def measure_profile(folder: Path) -> list[Measurement]:
    """Microseconds of the processor in each phase of one certificate, rendered, hashed and written."""
    make = pdf_maker(measured_template())
    batches = [
        list(certificates(_BATCH, start=number * _BATCH))
        for number in range(1 + _TIMED_BATCHES + _SAMPLED_BATCHES)
    ]
    spent_each(make, batches[0], folder)
    total = median(spent_each(make, batch, folder).processor for batch in batches[1 : 1 + _TIMED_BATCHES])
    with _samples() as found:
        for batch in batches[1 + _TIMED_BATCHES :]:
            spent_each(make, batch, folder)
    count = sum(found.values())
    return [
        Measurement("one certificate", total * 1e6, "µs", None,
                    f"of the processor; its parts by {count:,} samples"),
        *(
            Measurement(f"of it, {phase}", total * 1e6 * found[phase] / count, "µs", None,
                        f"{found[phase] / count:.0%}: {remark}")
            for phase, remark in _PHASES.items()
        ),
    ]  # fmt: skip


@contextmanager
def _samples() -> Iterator[Counter[str]]:
    """Counts samples by phase, meanwhile."""
    found: Counter[str] = Counter()

    def look(_: int, frame: FrameType | None) -> None:
        found[_phase(frame)] += 1

    before = signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, _INTERVAL_SECONDS, _INTERVAL_SECONDS)
    try:
        yield found
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _phase(frame: FrameType | None) -> str:
    while frame is not None:
        file, function = Path(frame.f_code.co_filename), frame.f_code.co_name
        if not function.startswith("<"):
            if phase := _FUNCTIONS.get((file.stem, function)):
                return phase
            if file.parent.name == "rendering" and file.parent.parent.name == "pramaan":
                return _MODULES.get(file.stem, "rest")
        frame = frame.f_back
    return "rest"
