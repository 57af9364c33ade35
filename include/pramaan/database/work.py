"""Sources of work, one for each package that has some: watchers poll them, `pramaan status` counts them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pramaan.database.connect import Connection

__all__ = ["WorkSource"]


@dataclass(frozen=True, slots=True)
class WorkSource:
    """One kind of work. `pending` names what is to be done and in nobody's hands, by names that change when
    there is more, and without personal data. It writes nothing, and reads what waits, no history.

    `is_notified`: whoever makes such work wakes the watchers (`pramaan.database.wake`), or it may wait for
    seconds; otherwise it is asked for all the time.
    """

    name: str
    pending: Callable[[Connection], Iterable[str]]
    is_notified: bool = True
