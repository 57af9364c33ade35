"""A plugin of pytest for `run.py`: what is started with an environment of its own, too, such as the
supervisor of the embedded Postgres, lives in the shifted time.
"""

import os
import subprocess
from typing import Any

_CLOCK = {name: os.environ[name] for name in ("LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC")}


class _Popen(subprocess.Popen[Any]):
    def __init__(self, *arguments: Any, env: Any = None, **options: Any) -> None:
        super().__init__(*arguments, env=None if env is None else {**env, **_CLOCK}, **options)


subprocess.Popen = _Popen  # type: ignore[misc]
