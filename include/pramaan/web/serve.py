"""The app on its own, with bearer tokens: `pramaan serve` passes it to the server.

Settings come from the environment, as everywhere; `create` is called in each of the server's processes.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from anyio import to_thread
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

from pramaan.errors import SettingsError
from pramaan.settings import PREFIX, Settings, load_settings
from pramaan.web.app import create_app
from pramaan.web.problems import as_problem
from pramaan.web.tokens import BearerTokens, KeySource

__all__ = ["create", "mounted"]

_THREADS: Final = 6
"""More threads only compete for the interpreter: the slowest responses take three times as long."""


def create() -> Starlette:
    """Returns the app under its prefix.

    Raises SettingsError when the environment names no database or no usable key.
    """
    settings = load_settings()
    tokens = BearerTokens(KeySource.of(settings))
    tokens.prepare()
    return mounted(
        create_app(tokens, settings=lambda: settings, database_url=lambda: _database_url(settings))
    )


def mounted(app: FastAPI) -> Starlette:
    """Returns an application with the app under the prefix, started and stopped together."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = _THREADS
        async with app.router.lifespan_context(app):
            yield

    server = Starlette(
        routes=[Mount(PREFIX, app)], lifespan=lifespan, exception_handlers={HTTPException: _refuse}
    )
    server.router.redirect_slashes = False
    return server


def _refuse(_: Request, error: Exception) -> Response:
    """Answers a path outside the app, or one with a line break, which the framework treats as outside."""
    return as_problem(error).response()


def _database_url(settings: Settings) -> str:
    url = settings.pipeline_database_url
    if url is None:
        raise SettingsError("PRAMAAN_DATABASE_URL is not set; start the API with `pramaan serve`")
    return url
