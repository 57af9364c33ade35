"""The signed-in caller of a request. Airflow's auth manager or a token signs callers in, depending on where
the app is mounted; this module defines only the result.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request

from pramaan.errors import PramaanError

__all__ = ["NotSignedInError", "SignIn", "SignedIn"]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A signed-in user. `by_cookie`: signed in by a cookie, which a browser also sends when another site
    triggers a request.
    """

    username: str
    by_cookie: bool = False


class NotSignedInError(PramaanError):
    """The caller is not signed in, or sent an invalid token; the message never quotes it."""


SignIn = Callable[[Request], Awaitable[SignedIn]]
"""Returns the sender of a request, from its headers alone. Raises NotSignedInError."""
