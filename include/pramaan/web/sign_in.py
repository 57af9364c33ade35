"""Who calls. They sign in by Airflow's auth manager or by a token, depending on where the app is mounted; all
that is known here is that they did.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request

from pramaan.errors import PramaanError

__all__ = ["NotSignedInError", "SignIn", "SignedIn"]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who somebody is. `by_cookie`: by the browser's own doing, which another site could have set off."""

    username: str
    by_cookie: bool = False


class NotSignedInError(PramaanError):
    """Nobody is signed in, or with a token that does not count; the message never quotes it."""


SignIn = Callable[[Request], Awaitable[SignedIn]]
"""Tells who sends a request, from its headers alone. Raises NotSignedInError."""
