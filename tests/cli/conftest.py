"""A person at the machine."""

import os

import pytest

from pramaan.settings import Settings
from worlds import database_url


@pytest.fixture
def environment(session_settings: Settings, settings: Settings) -> dict[str, str]:
    """A person's environment on an empty world."""
    return {
        "PATH": os.environ["PATH"],
        "PRAMAAN_HOME": str(session_settings.home),
        "PRAMAAN_PORT_BASE": str(session_settings.port_base),
        "PRAMAAN_DATABASE_URL": database_url(settings),
        "PRAMAAN_LANDING": settings.landing_url,
        "PRAMAAN_STORE": settings.store_url,
    }
