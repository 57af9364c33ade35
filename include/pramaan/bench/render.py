"""How fast certificates are rendered, beside WeasyPrint and Typst, at what cost, and where the time goes."""

import os
import tempfile
from functools import partial
from pathlib import Path

from pramaan.bench.measurement import Measurement
from pramaan.bench.rendering.child import in_child
from pramaan.bench.rendering.comparison import run_comparison
from pramaan.bench.rendering.memory import measure_memory
from pramaan.bench.rendering.profile import measure_profile
from pramaan.bench.rendering.sizes import measure_sizes
from pramaan.bench.rendering.two_processes import measure_two_processes

__all__ = ["run"]


def run(*, renders: int) -> list[Measurement]:
    """Measure, each part in processes of its own; `renders` is how many the memory is watched over.

    Raises HostError when this machine lacks a font, a library or a second core.
    """
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="pramaan-bench-") as name:
        folder = Path(name)
        return [
            *in_child(run_comparison, folder),
            *in_child(measure_profile, folder),
            *measure_two_processes(folder),
            *in_child(partial(measure_memory, renders=renders), folder),
            *in_child(measure_sizes, folder),
            Measurement("load of the machine", load, "processes", None, "when this began; others disturb it"),
        ]
