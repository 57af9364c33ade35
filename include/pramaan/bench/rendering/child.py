"""A process of its own for a measurement, held to one core, with the fonts at hand."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from tempfile import mkdtemp
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from pramaan.bench.rendering.rows import Fields
from pramaan.errors import HostError
from pramaan.registry.bundled_templates import bundled_template
from pramaan.rendering.fonts import configure_fonts
from pramaan.rendering.renderer import Engine, Renderer
from pramaan.rendering.samples import sample_signature
from pramaan.rendering.template import Template, template_of

__all__ = [
    "INDIA",
    "Spent",
    "cores",
    "in_child",
    "measured_template",
    "pdf_maker",
    "plain",
    "settle",
    "spent_each",
    "written",
]

INDIA: Final = ZoneInfo("Asia/Kolkata")

_BLANK: Final = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="297mm" height="210mm" viewBox="0 0 297 210"/>'
)

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> list[int]:
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0))


def in_child(task: Callable[[Path], Result], folder: Path) -> Result:
    """What `task` returns, of a new process on the last core; `folder` is for what it writes.

    Raises what `task` raises, or HostError when the process died.
    """
    arguments = (folder, cores()[-1])
    context = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=settle, initargs=arguments) as pool:
        try:
            return pool.submit(task, folder).result()
        except BrokenProcessPool as error:
            raise HostError("a measured process was killed (out of memory?)") from error


def settle(folder: Path, core: int) -> None:
    """Hold this process to one core, before any library starts threads, and give it its fonts."""
    os.sched_setaffinity(0, {core})
    configure_fonts(folder / "fonts")


def measured_template() -> Template:
    """The template that everything is measured with."""
    return bundled_template("classic")


def plain(template: Template) -> Template:
    """The same template, but its drawings are blank."""
    files = {name: _BLANK if name.endswith(".svg") else data for name, data in template.files.items()}
    return template_of(template.template_id, files)


def pdf_maker(template: Template, *, engine: Engine = "compiled") -> Callable[[Fields], bytes]:
    """What makes a certificate of its fields, with the sample signature."""
    renderer = Renderer(template, zone=INDIA, engine=engine)
    return partial(renderer.render, signature=sample_signature())


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds a certificate: on the clock, and of the processor."""

    real: float
    processor: float


def spent_each(make: Callable[[Item], bytes], items: Sequence[Item], folder: Path) -> Spent:
    """What each took, written to a new file under `folder` and hashed.

    The files stay until the whole benchmark ends: ext4 goes around the inodes of what was removed in the last
    minute, one by one, so that after some thousand removals a new file takes ten times as long.
    """
    files = Path(mkdtemp(dir=folder))
    began, processor_began = time.perf_counter(), time.process_time()
    for number, item in enumerate(items):
        written(make(item), files / f"{number}.pdf")
    real, processor = time.perf_counter() - began, time.process_time() - processor_began
    return Spent(real / len(items), processor / len(items))


def written(pdf: bytes, file: Path) -> str:
    """Write a certificate, and say its SHA-256."""
    digest = _digest(pdf)
    _write(pdf, file)
    return digest


def _digest(pdf: bytes) -> str:
    return sha256(pdf).hexdigest()


def _write(pdf: bytes, file: Path) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        os.write(descriptor, pdf)
    finally:
        os.close(descriptor)
