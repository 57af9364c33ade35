"""A home without loads."""

from pathlib import Path

import pytest
from loads import Loads

from pramaan.database.connect import Connection
from pramaan.settings import Settings


@pytest.fixture
def loads(settings: Settings, connection: Connection, tmp_path: Path) -> Loads:
    """Nothing loaded, nothing checked, no Data Docs."""
    return Loads(connection, settings.model_copy(update={"home": tmp_path}))
