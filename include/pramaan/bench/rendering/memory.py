"""Whether memory stays flat when one process renders for hours."""

from pathlib import Path
from typing import Final

from pramaan.bench.measurement import Measurement
from pramaan.bench.rendering.child import measured_template, pdf_maker
from pramaan.bench.rendering.rows import certificates

__all__ = ["measure_memory"]

_PARTS: Final = 10


def measure_memory(folder: Path, *, renders: int) -> list[Measurement]:
    """Resident memory of this process while it renders so many certificates, a new name each."""
    del folder
    make = pdf_maker(measured_template())
    part = renders // _PARTS
    resident: list[int] = []
    for number in range(_PARTS):
        for fields in certificates(part, start=number * part):
            make(fields)
        resident.append(_status_bytes("VmRSS"))
    half = _PARTS // 2
    late = (resident[-1] - resident[half - 1]) / (_PARTS - half)
    growth = (resident[-1] - resident[0]) / (_PARTS - 1)
    return [
        Measurement("memory at first", resident[0] / 1e6, "MB", None, f"resident, after {part:,} renders"),
        Measurement("memory at last", resident[-1] / 1e6, "MB", None, f"after {part * _PARTS:,}"),
        Measurement("memory at most", _status_bytes("VmHWM") / 1e6, "MB", None, "peak of the process"),
        Measurement(
            f"growth per {part:,} renders", growth / 1e6, "MB", "flat: below 1", "from first to last"
        ),
        Measurement("growth in the second half", late / 1e6, "MB", None, f"per {part:,} renders"),
    ]


def _status_bytes(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) * 1024
