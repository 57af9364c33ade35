"""The app by itself, with bearer tokens: what `pramaan serve` hands to the server.

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
"""More would only take the interpreter from one another: the slowest answers get three times as slow."""


def create() -> Starlette:
    """The app under its prefix.

    Raises SettingsError when the environment names no database or no good key.
    """
    settings = load_settings()
    tokens = BearerTokens(KeySource.of(settings))
    tokens.prepare()
    return mounted(
        create_app(tokens, settings=lambda: settings, database_url=lambda: _database_url(settings))
    )


def mounted(app: FastAPI) -> Starlette:
    """An app under the prefix, started and stopped with the whole."""

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
    """A path outside the app, or with a line break, which the framework takes for outside."""
    return as_problem(error).response()


def _database_url(settings: Settings) -> str:
    url = settings.pipeline_database_url
    if url is None:
        raise SettingsError("PRAMAAN_DATABASE_URL is not set; start the API with `pramaan serve`")
    return url
