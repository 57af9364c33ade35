"""What every request passes before any route sees it: how much it may send, and who sends it.

As middleware and not as a dependency of each route: a route that is added later cannot forget it, and nobody
unknown has a body read.
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

__all__ = ["LARGEST_BODY_BYTES", "AnswerFaults", "LimitBodies", "RequireSignIn", "SetSecurityHeaders"]

LARGEST_BODY_BYTES: Final = 512_000
"""A signature of the largest size that is taken, and a form around it."""

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_SECURITY_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; img-src 'self' data:; style-src 'self'; "
    "form-action 'self'; frame-src 'self'; object-src 'self'; frame-ancestors 'self'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}


class AnswerFaults:
    """Answers what nothing else did: the refusals of the doors behind it, and faults, of which neither caller
    nor log sees what a message quotes.
    """

    def __init__(self, app: ASGIApp, *, respond: ErrorResponder) -> None:
        self._app = app
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Once an answer has begun, it can only be cut off."""
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
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends here
            problem = as_problem(error)
            if not has_begun:
                await self._respond(Request(scope), problem)(scope, receive, send)


class LimitBodies:
    """Refuses a body that is too large: by its announced length, or once it has grown too long."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Raises ProblemError 413 `body_too_large`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        # By its length first: a number of thousands of digits is none to Python.
        if not re.fullmatch(r"[0-9]{1,12}", announced) or int(announced) > LARGEST_BODY_BYTES:
            raise ProblemError(413, "body_too_large", f"a body may have {LARGEST_BODY_BYTES} bytes")
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > LARGEST_BODY_BYTES:
                # Of this kind, since the framework takes every other exception here for a broken body.
                raise HTTPException(413)
            return message

        await self._app(scope, counted, send)


class RequireSignIn:
    """Lets nobody unknown pass, but to `public` paths; refuses writes that a browser's cookie alone
    vouches for, but to `forms` paths, which have a proof of their own.
    """

    def __init__(
        self, app: ASGIApp, *, sign_in: SignIn, public: tuple[str, ...], forms: tuple[str, ...]
    ) -> None:
        self._app = app
        self._sign_in = sign_in
        self._public = public
        self._forms = forms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Leaves who it is in the request's state as `signed_in`.

        Raises NotSignedInError, ProblemError 403 `cookie_not_accepted`.
        """
        if scope["type"] == "http" and not _leads_to(scope, self._public):
            signed_in = await self._sign_in(Request(scope))
            is_write = scope["method"] not in _SAFE_METHODS
            if signed_in.by_cookie and is_write and not _leads_to(scope, self._forms):
                raise ProblemError(
                    403, "cookie_not_accepted", "a write needs a token: Authorization: Bearer ..., no cookie"
                )
            scope.setdefault("state", {})["signed_in"] = signed_in
        await self._app(scope, receive, send)


class SetSecurityHeaders:
    """Sets on every answer what keeps a browser from doing more with it than we mean."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. A header that the answer has already stays."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


def _leads_to(scope: MutableMapping[str, Any], paths: tuple[str, ...]) -> bool:
    """Whether the path below where the app is mounted is one of these, or under it."""
    path = str(scope["path"]).removeprefix(str(scope.get("root_path", "")))
    return any(path == known or path.startswith(f"{known}/") for known in paths)
