"""What a load has met so far, and when it is too much."""

from collections.abc import Sequence

from pramaan.errors import FeedError
from pramaan.feeds.chunks import MOST_REJECTS, Reject, plain_text
from pramaan.feeds.validate import Checked

__all__ = ["MostlyBrokenError", "Tally"]

_EXAMPLES = 100
_UNKNOWN_COLUMNS_KEPT = 1000


class MostlyBrokenError(FeedError):
    """So many rows are broken that the file is not what it should be; `examples` are some of them."""

    def __init__(self, message: str, examples: Sequence[Reject]) -> None:
        super().__init__("mostly_broken", message)
        self.examples = tuple(examples)


class Tally:
    """Counts the rows of one load."""

    def __init__(self) -> None:
        self.rows = 0
        self.rejects = 0
        self._examples: list[Reject] = []
        self._unknown: set[str] = set()

    def add(self, checked: Checked, *, rejects: Sequence[Reject], rows: int) -> None:
        """Count a chunk. Raises MostlyBrokenError once MOST_REJECTS are reached and outnumber the good rows:
        then nothing of the file is loaded, and only the first rejects are kept.
        """
        self.rows += rows
        self.rejects += len(rejects)
        self._examples += rejects[: _EXAMPLES - len(self._examples)]
        if len(self._unknown) < _UNKNOWN_COLUMNS_KEPT:
            self._unknown.update(plain_text(name)[:200] for name in checked.unknown_columns)
        if self.rejects >= MOST_REJECTS and self.rejects > self.rows:
            raise MostlyBrokenError(
                f"of the first {self.rows + self.rejects} rows {self.rejects} are broken: none of the file "
                f"is loaded. {len(self._examples)} of them are kept beside this; mend and send it again",
                self._examples,
            )

    @property
    def unknown_columns(self) -> list[str]:
        """The columns that the contract does not know, a thousand at most."""
        return sorted(self._unknown)[:_UNKNOWN_COLUMNS_KEPT]
