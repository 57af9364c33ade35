"""What a second process gains, beside what it gains for a plain loop on the same machine, by turns."""

import time
from collections.abc import Callable
from hashlib import sha256
from itertools import cycle
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from pramaan.bench.measurement import Measurement
from pramaan.bench.rendering.child import cores, measured_template, pdf_maker, settle
from pramaan.bench.rendering.rows import CYCLE, certificates
from pramaan.errors import HostError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["measure_two_processes"]

_ROUNDS: Final = 25
_SECONDS: Final = 0.4
_KINDS: Final = ("certificates", "loop")
_TURNS: Final = 20_000
_TIMEOUT_SECONDS: Final = 120


def measure_two_processes(folder: Path) -> list[Measurement]:
    """Start two processes, each on a core of its own, and let them work one at a time and both at once.

    Raises HostError when there is one core only, or a process died.
    """
    if len(own := cores()) < len(("one", "other")):
        raise HostError("two processes cannot be measured on one core")
    context = get_context("spawn")
    pairs = [context.Pipe() for _ in range(2)]
    processes = [
        context.Process(target=_work, args=(theirs, folder / f"worker-{core}", core), daemon=True)
        for (_, theirs), core in zip(pairs, own[-2:], strict=True)
    ]
    for process in processes:
        process.start()
    workers = [ours for ours, _ in pairs]
    try:
        for worker in workers:
            _answer(worker)
        gains = [_gains(workers, alone=number % 2) for number in range(_ROUNDS)]
    finally:
        for process in processes:
            process.terminate()
            process.join()
    rendering, loop = (median(gain[kind] for gain in gains) for kind in _KINDS)
    share = median(gain["certificates"] / gain["loop"] for gain in gains)
    return [
        Measurement(
            "two processes over one",
            rendering,
            "times",
            None,
            f"each on its own core; median of {_ROUNDS} short rounds",
        ),
        Measurement("two plain loops over one", loop, "times", None, "what this machine has to give"),
        Measurement("the first over the second", share, "of the loop's gain", "at least 0.9", "by rounds"),
    ]


def _gains(workers: "list[Connection[Any, Any]]", *, alone: int) -> dict[str, float]:
    """By kind of work: what both do at once over what one does alone."""
    return {
        kind: sum(_rates(workers, kind)) / sum(_rates(workers[alone : alone + 1], kind)) for kind in _KINDS
    }


def _rates(workers: "list[Connection[Any, Any]]", kind: str) -> list[float]:
    for worker in workers:
        worker.send(kind)
    return [_answer(worker) for worker in workers]


def _answer(worker: "Connection[Any, Any]") -> float:
    try:
        if worker.poll(_TIMEOUT_SECONDS):
            return float(worker.recv())
    except EOFError:
        pass
    raise HostError("a measured process died, or does not answer")


def _work(orders: "Connection[Any, Any]", folder: Path, core: int) -> None:
    """Answer every order with its rate; runs until it is ended."""
    folder.mkdir()
    settle(folder, core)
    make = pdf_maker(measured_template())
    rows = cycle(list(certificates(72 * CYCLE, start=core * 72 * CYCLE)))
    work: dict[str, Callable[[], object]] = {
        "certificates": lambda: sha256(make(next(rows))).digest(),
        "loop": _loop,
    }
    for kind in _KINDS:
        _rate(work[kind])
    orders.send(0.0)
    while True:
        orders.send(_rate(work[orders.recv()]))


def _rate(once: Callable[[], object]) -> float:
    began, times = time.perf_counter(), 0
    while (took := time.perf_counter() - began) < _SECONDS:
        once()
        times += 1
    return times / took


def _loop() -> int:
    number = 1
    for turn in range(_TURNS):
        number = (number * 48271 + turn) % 2147483647
    return number
