"""What a person at the machine does."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from unittest.mock import patch

from pramaan.cli import main
from worlds import PRAMAAN

__all__ = ["call", "call_process"]


def call_process(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command of ours in a process of its own, with what it printed and its exit code."""
    return subprocess.run(
        [str(PRAMAAN), *map(str, arguments)], env=environment, capture_output=True, text=True
    )


def call(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """The same from `main` on, in this process: what is imported already is not imported again.

    Not for commands that lay pages out without a home: their fonts go away with them, and Pango knows them
    for the life of the process.
    """
    words = ["pramaan", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    with _in_place_of(environment, words), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _in_place_of(environment: dict[str, str], words: list[str]) -> Iterator[None]:
    """This process's environment and arguments are these, for the block."""
    with patch.dict(os.environ, environment, clear=True), patch.object(sys, "argv", words):
        yield
