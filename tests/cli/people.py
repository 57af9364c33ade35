"""What a person at the machine does."""

import subprocess

from worlds import PRAMAAN

__all__ = ["call"]


def call(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command of ours, with what it printed and its exit code."""
    return subprocess.run(
        [str(PRAMAAN), *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=120
    )
