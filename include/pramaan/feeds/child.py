"""The child of `attempts`: reads a file on which readers died, within limits, and says when it is through.

    python -m pramaan.feeds.child PATH NAME FEED LOADED_AT

What the file breaks of the contract is no matter here: whoever loads it finds that again.
"""

import sys
from datetime import datetime
from pathlib import Path
from typing import Final

from pramaan.sandbox import enter_sandbox

MEMORY_BYTES: Final = 2_000_000_000
"""Of address space, of which libraries take a third and DuckDB may take half a gigabyte."""


def _main(path: str, name: str, feed: str, loaded_at: str) -> None:
    say, _ = enter_sandbox(memory_bytes=MEMORY_BYTES)
    from pramaan.feeds.checked import open_checked
    from pramaan.feeds.spec import FEEDS
    from pramaan.feeds.validate import open_validator

    say.limit_all = False
    say.step("opening it")
    rows = 0
    try:
        with open_validator() as validate:
            instant = datetime.fromisoformat(loaded_at)
            with open_checked(
                Path(path), name=name, spec=FEEDS[feed], loaded_at=instant, validate=validate
            ) as file:
                for checked, _ in file.chunks:
                    rows += checked.rows.num_rows + len(checked.rejects)
                    say.step(f"reading what follows row {rows}")
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - it did not die, and whoever loads it finds the same
        sys.stderr.write(f"{type(error).__name__}\n")
    say.done()


if __name__ == "__main__":
    _main(*sys.argv[1:])
