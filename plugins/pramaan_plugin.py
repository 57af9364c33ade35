"""Mounts Pramaan's API on Airflow's API server, and puts its pages into the navigation. Nothing else lives
here: Airflow executes every file of this folder in each of its processes, down to every task's.
"""

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from pramaan.orchestration import listener
from pramaan.settings import PREFIX


class PramaanPlugin(AirflowPlugin):
    """See `pramaan.web.app` for what is behind the prefix."""

    name = "pramaan"
    listeners = [listener]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Certificates",
            "href": f"{PREFIX}/certificates",
            "url_route": "certificates",
            "destination": "nav",
        },
        {
            "name": "Reports",
            "href": f"{PREFIX}/certificates/reports",
            "url_route": "reports",
            "destination": "nav",
        },
    ]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """Only the API server asks for it; no other process of Airflow's imports and builds the app."""
        from pramaan.orchestration.sign_in import app_on_airflow

        return [{"app": app_on_airflow(), "url_prefix": PREFIX, "name": "Pramaan"}]
