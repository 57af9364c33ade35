"""Who calls the API on Airflow's API server, as its auth manager says: Simple and FAB alike.

Imported by the API server alone, when the plugin is asked for its app.
"""

from typing import TYPE_CHECKING

from fastapi import HTTPException

from pramaan.orchestration.context import database_url
from pramaan.settings import load_settings
from pramaan.web.app import create_app
from pramaan.web.sign_in import NotSignedInError, SignedIn

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

__all__ = ["app_on_airflow"]


async def airflow_sign_in(request: "Request") -> SignedIn:
    """The user of Airflow's token or session.

    A token in the header counts before the cookie, as in Airflow itself. Raises NotSignedInError.
    """
    from airflow.api_fastapi.core_api.security import bearer_scheme, get_user

    credentials = await bearer_scheme(request)
    try:
        user = await get_user(request, None, credentials)
    except HTTPException as error:
        raise NotSignedInError("sign in to Airflow, or send its token: Authorization: Bearer ...") from error
    by_token = credentials is not None and credentials.scheme.lower() == "bearer"
    return SignedIn(user.get_name(), by_cookie=not by_token)


def app_on_airflow() -> "FastAPI":
    """The app for Airflow's API server to mount. Reads and opens nothing until that starts it."""
    return create_app(
        airflow_sign_in, settings=load_settings, database_url=lambda: database_url(load_settings())
    )
