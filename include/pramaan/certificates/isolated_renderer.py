"""Renders poison: certificates whose workers died, each time before any outcome.

A worker that dies tells nothing of who was to blame: it may have been killed, with a hundred innocents in its
hands. So a poison is rendered in a child process that lives for that alone, and whose end its parent sees:
what ends it by itself is the certificate's fault, what kills both proves nothing.

    python -m pramaan.certificates.isolated_renderer

reads a RenderConfig and then Jobs, and answers each (the first with None, when it is ready). Both ends are
this file, so they speak pickle.
"""

import logging
import os
import pickle
import selectors
import signal
import subprocess
import sys
from typing import IO, Final, Self

from pramaan.certificates.limits import Guard
from pramaan.certificates.rendering import Job, RenderConfig, RenderedPdf, render_job
from pramaan.errors import HostError, RenderError
from pramaan.rendering.fonts import configure_fonts

__all__ = ["IsolatedRenderer"]

log = logging.getLogger(__name__)

_TRIES: Final = 3
_START_SECONDS: Final = 60.0
_KILLED_FROM_OUTSIDE: Final = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""SIGKILL may also be the kernel's, out of memory; three times in a row it is."""


class _Died(Exception):  # noqa: N818 - seen in this file only
    """The child ended without an answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class IsolatedRenderer:
    """A child that renders one certificate after the other, and is replaced when it dies; for a block."""

    def __init__(self, render_config: RenderConfig) -> None:
        self._render_config = render_config
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def render(self, job: Job) -> RenderedPdf:
        """The certificate.

        Raises what rendering raised there; RenderError `renderer_crashed` when the child died of it: by
        itself once, or killed three times; HostError when no child comes to life.
        """
        for _ in range(_TRIES):
            try:
                return self._answer(job)
            except _Died as death:
                self._end()
                self._start()
                if -death.status not in _KILLED_FROM_OUTSIDE:
                    break
        raise RenderError("renderer_crashed", "the renderer hangs, or dies, on this certificate alone")

    def _answer(self, job: Job) -> RenderedPdf:
        answer = self._ask(job)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, RenderedPdf)  # noqa: S101 - for the type checker
        return answer

    def _ask(self, question: Job | RenderConfig) -> RenderedPdf | Exception | None:
        assert self._child is not None  # noqa: S101 - for the type checker
        stdin, stdout = self._child.stdin, self._child.stdout
        assert stdin is not None  # noqa: S101
        assert stdout is not None  # noqa: S101
        try:
            pickle.dump(question, stdin)
            stdin.flush()
            return _next_answer(stdout, seconds=_START_SECONDS + 2 * self._render_config.limits.seconds)
        except (EOFError, OSError, pickle.UnpicklingError, TimeoutError) as error:
            if isinstance(error, TimeoutError):
                # It has a watchdog of its own, so somebody stopped it.
                self._child.kill()
            raise _Died(self._child.wait()) from None

    def _start(self) -> None:
        self._child = subprocess.Popen(  # noqa: S603 - this very file
            [sys.executable, "-P", "-W", "ignore", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            self._ask(self._render_config)
        except _Died as death:
            self._end()
            raise HostError(
                f"the child that renders alone what workers died on does not start: status {death.status}; "
                "its stderr says why"
            ) from None

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            # Not `communicate`: what is left unread is of no use.
            for stream in (self._child.stdin, self._child.stdout):
                if stream is not None:
                    _close(stream)
            self._child.wait()


def _close(stream: IO[bytes]) -> None:
    try:
        stream.close()
    except OSError:
        return  # bytes that a dead child did not take


def _next_answer(stdout: IO[bytes], *, seconds: float) -> RenderedPdf | Exception | None:
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        if not selector.select(seconds):
            raise TimeoutError
    answer: RenderedPdf | Exception | None = pickle.load(stdout)  # noqa: S301 - from our own child
    return answer


def _main() -> None:
    # Whatever prints, it is no answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    jobs = sys.stdin.buffer
    render_config: RenderConfig = pickle.load(jobs)  # noqa: S301 - from our parent
    configure_fonts(render_config.fonts_folder)
    _import_what_is_heavy()
    guard = Guard(render_config.limits)
    pickle.dump(None, answers)
    answers.flush()
    while True:
        try:
            job: Job = pickle.load(jobs)  # noqa: S301 - from our parent
        except EOFError:
            return
        pickle.dump(_result(job, render_config, guard), answers)
        answers.flush()


def _import_what_is_heavy() -> None:
    from pramaan.rendering import renderer  # noqa: F401
    from pramaan.rendering.weasy.pango import font_configuration

    font_configuration()


def _result(job: Job, render_config: RenderConfig, guard: Guard) -> RenderedPdf | Exception:
    try:
        with guard:
            return render_job(job, render_config)
    except RenderError as error:
        return RenderError(error.error_class, str(error))
    except Exception as error:  # noqa: BLE001 - the parent decides what it means
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - what was dumped here
        except Exception:  # noqa: BLE001
            return RuntimeError(type(error).__name__)
        return error


if __name__ == "__main__":
    _main()
