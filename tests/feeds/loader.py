"""Loads all that waits in a folder, in a process of its own: `loader.py URL FOLDER`; says its peak memory."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from pramaan.database.connect import connect
from pramaan.feeds.landing import Landing
from pramaan.feeds.load import load_waiting


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


url, folder = sys.argv[1:]
with connect(url) as connection:
    say("connected")
    for file in load_waiting(connection, Landing(f"file://{folder}"), now=lambda: datetime.now(UTC)):
        say(f"{file.status} {file.rows} {file.rows_quarantined}")
# Not getrusage: its peak begins with that of the process which started this one.
status = Path("/proc/self/status").read_text()
say(f"peak_rss_bytes {int(status.partition('VmHWM:')[2].split()[0]) * 1024}")
