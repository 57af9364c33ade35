"""What supervisord starts for each part of Airflow: `python -m pramaan.host.launch ENVIRONMENT COMMAND...`.

ENVIRONMENT is a file (0600, JSON) that holds the whole environment of COMMAND: secrets reach the process
without standing in a command line, and any character survives, which supervisord's syntax does not promise.
Before it becomes COMMAND it ends what an earlier, killed instance left running in the same working folder.
"""

import json
import os
import signal
import sys
from pathlib import Path

from pramaan.host.processes import end, working_in

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Become the command; returns only by an exception."""
    environment_file, *command = arguments
    end(working_in([Path.cwd()]), first=signal.SIGTERM, grace_seconds=3, last=signal.SIGKILL)
    environment = json.loads(Path(environment_file).read_text(encoding="utf-8"))
    os.execve(command[0], command, environment)  # noqa: S606 - the command is ours, from a file that only we write


if __name__ == "__main__":
    main(sys.argv[1:])
