"""One platform as `make run` starts it, for all tests that need Airflow's parts to run."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest
from platforms import Platform

from pramaan.settings import Settings
from worlds import PRAMAAN, free_port_base


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """It has issued the bundled sample."""
    settings = Settings(home=tmp_path_factory.mktemp("platform") / "home", port_base=free_port_base())
    environment = {
        "PATH": "/usr/bin:/bin",
        "PRAMAAN_HOME": str(settings.home),
        "PRAMAAN_PORT_BASE": str(settings.port_base),
    }
    platform = Platform(settings, environment)
    try:
        started = platform.run("up", "--sample")
        yield replace(platform, printed=started.stdout, reported=started.stderr)
    finally:
        data = (settings.home / "postgres").resolve()
        subprocess.run([str(PRAMAAN), "down"], env=environment, check=False)
        subprocess.run(["rm", "-rf", str(data)], check=True)
