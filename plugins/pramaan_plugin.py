"""Mounts Pramaan's API on Airflow's API server, and puts its page into the navigation. Nothing else lives
here: Airflow executes every file of this folder in each of its processes.
"""

from airflow.plugins_manager import AirflowPlugin

from pramaan.orchestration.sign_in import app_on_airflow
from pramaan.web.app import PREFIX


class PramaanPlugin(AirflowPlugin):
    """See `pramaan.web.app` for what is behind the prefix."""

    name = "pramaan"
    fastapi_apps = [{"app": app_on_airflow(), "url_prefix": PREFIX, "name": "Pramaan"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Certificates",
            "href": f"{PREFIX}/certificates",
            "url_route": "certificates",
            "destination": "nav",
        }
    ]
