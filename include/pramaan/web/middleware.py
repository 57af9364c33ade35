"""The middleware that every request passes before any route: body size, sign-in, security headers.

It is middleware and not a dependency of each route: a route added later cannot omit it, and the body of an
unauthenticated request is never read.
"""

import re
from collections.abc import MutableMapping
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pramaan.web.problems import ErrorResponder, ProblemError, as_problem
from pramaan.web.sign_in import SignIn

__all__ = ["LARGEST_BODY_BYTES", "HandleErrors", "LimitBodySize", "RequireSignIn", "SetSecurityHeaders"]

LARGEST_BODY_BYTES: Final = 512_000
"""Room for a signature of the largest accepted size, and a form around it."""

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_SECURITY_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; img-src 'self' data:; style-src 'self'; "
    "form-action 'self'; frame-src 'self'; object-src 'self'; frame-ancestors 'self'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}


class HandleErrors:
    """Responds to exceptions that nothing else handled: refusals by the middleware inside it, and unexpected
    errors, whose messages neither the caller nor the log sees.
    """

    def __init__(self, app: ASGIApp, *, respond: ErrorResponder) -> None:
        self._app = app
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Once a response has begun, it can only be aborted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001 - the outermost handler: nothing above handles an error
            problem = as_problem(error)
            if not has_begun:
                await self._respond(Request(scope), problem)(scope, receive, send)


class LimitBodySize:
    """Refuses a body that is too large, by its announced length or once it has grown too long."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Raises ProblemError 413 `body_too_large`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        # By its length first: Python refuses to convert a number of thousands of digits.
        if not re.fullmatch(r"[0-9]{1,12}", announced) or int(announced) > LARGEST_BODY_BYTES:
            raise ProblemError(413, "body_too_large", f"a body may have {LARGEST_BODY_BYTES} bytes")
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > LARGEST_BODY_BYTES:
                # An HTTPException, since the framework treats every other exception here as a malformed body.
                raise HTTPException(413)
            return message

        await self._app(scope, counted, send)


class RequireSignIn:
    """Requires sign-in, except for `public` paths; refuses writes that are signed in by a browser's cookie
    alone, except for `forms` paths, whose forms have a CSRF token.
    """

    def __init__(
        self, app: ASGIApp, *, sign_in: SignIn, public: tuple[str, ...], forms: tuple[str, ...]
    ) -> None:
        self._app = app
        self._sign_in = sign_in
        self._public = public
        self._forms = forms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Stores the caller in the request's state as `signed_in`.

        Raises NotSignedInError, ProblemError 403 `cookie_not_accepted`.
        """
        if scope["type"] == "http" and not _is_under(scope, self._public):
            signed_in = await self._sign_in(Request(scope))
            is_write = scope["method"] not in _SAFE_METHODS
            if signed_in.by_cookie and is_write and not _is_under(scope, self._forms):
                raise ProblemError(
                    403, "cookie_not_accepted", "a write needs a token: Authorization: Bearer ..., no cookie"
                )
            scope.setdefault("state", {})["signed_in"] = signed_in
        await self._app(scope, receive, send)


class SetSecurityHeaders:
    """Sets security headers on every response, which restrict what a browser does with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. A header that the response already has stays."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


def _is_under(scope: MutableMapping[str, Any], paths: tuple[str, ...]) -> bool:
    """Whether the path, relative to the app's mount point, is one of these, or under it."""
    path = str(scope["path"]).removeprefix(str(scope.get("root_path", "")))
    return any(path == known or path.startswith(f"{known}/") for known in paths)
