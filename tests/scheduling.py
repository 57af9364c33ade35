"""In which order tests run, and which of them in one worker.

First what waits for a platform to start, since others can use the processor meanwhile; then the quick tests,
since most mistakes show there; then the slow ones. What shares something costly stays together, as do the
quick tests of a file, and its slow ones.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

__all__ = ["by_block", "put_in_order"]

_FIRST: Final = "tests/running/"
"""What takes longest, and waits most."""

_TOGETHER: Final = (_FIRST, "tests/orchestration/")
"""Folders whose tests ask one Airflow."""


def put_in_order(items: list[pytest.Item]) -> None:
    """Within a file nothing changes, but that its quick tests come before its slow ones."""
    items.sort(
        key=lambda item: (_place(item.nodeid) != _FIRST, item.get_closest_marker("slow") is not None),
    )


def by_block(config: pytest.Config, log: Any) -> "LoadScopeScheduling":
    """Hands out a block at a time, in the order of the tests."""
    from xdist.scheduler import LoadScopeScheduling

    class ByBlock(LoadScopeScheduling):
        _blocks: dict[str, str] | None = None

        def _split_scope(self, nodeid: str) -> str:
            if self._blocks is None:
                self._blocks = _blocks(next(iter(self.registered_collections.values())))
            return self._blocks[nodeid]

    config.option.loadscopereorder = False
    return ByBlock(config, log)


def _blocks(nodeids: Sequence[str]) -> dict[str, str]:
    """Each test's block: those of one place that stand one behind the other."""
    found: dict[str, str] = {}
    numbers: Counter[str] = Counter()
    for place, block in groupby(nodeids, _place):
        numbers[place] += 1
        found |= dict.fromkeys(block, f"{place} {numbers[place]}")
    return found


def _place(nodeid: str) -> str:
    """The file of a test, or the folder that stays together."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in _TOGETHER if file.startswith(folder)), file)
