"""Bearer tokens (JWT, RFC 7519): verified with a public key or a JWKS URL, and issued with this home's key.

A token proves a username and nothing else; the caller's grants are in `registry.grants`.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import jwt
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request

from pramaan.errors import SettingsError
from pramaan.settings import Settings
from pramaan.web.jwks_cache import JwksCache, KeysUnavailableError
from pramaan.web.problems import ProblemError
from pramaan.web.sign_in import NotSignedInError, SignedIn

__all__ = ["BearerTokens", "KeySource", "issue_token"]

_ALGORITHMS: Final = ("EdDSA", "ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
"""Asymmetric signatures only: with a shared secret, every verifier could also issue tokens."""

_ISSUER: Final = "pramaan"
_AUDIENCE: Final = "pramaan"
_LEEWAY: Final = timedelta(seconds=10)
_LONGEST_TOKEN: Final = 8_192


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where the keys that verify tokens are, and the audience and issuer that a token must name."""

    public_key: Path | None
    jwks_url: str | None
    audience: str
    issuer: str | None

    @classmethod
    def of(cls, settings: Settings) -> "KeySource":
        """Returns the configured key or JWKS URL; without either, this home's own key."""
        if settings.jwt_public_key or settings.jwt_jwks_url:
            return cls(
                settings.jwt_public_key,
                settings.jwt_jwks_url or None,
                settings.jwt_audience or _AUDIENCE,
                settings.jwt_issuer or None,
            )
        return cls(settings.secrets / "token_signing.key", None, _AUDIENCE, _ISSUER)


class BearerTokens:
    """Signs callers in by the token in their `Authorization` header."""

    def __init__(self, source: KeySource, *, keys_kept_seconds: float = 300) -> None:
        self._source = source
        self._keys = JwksCache(source.jwks_url, kept_seconds=keys_kept_seconds) if source.jwks_url else None

    @cached_property
    def _fetchers(self) -> CapacityLimiter:
        return CapacityLimiter(4)

    def prepare(self) -> None:
        """Read the key, so that a server that could never sign a caller in does not start.

        Raises SettingsError.
        """
        if self._keys is None:
            _ = self._public_key

    async def __call__(self, request: Request) -> SignedIn:
        """Sign a request in. Raises NotSignedInError without a token, or when it is expired or not validly
        signed.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise NotSignedInError("send a token: Authorization: Bearer ...")
        if self._keys is None or self._keys.has(_kid(token) or ""):
            claims = self.verify(token)
        else:
            # The key may have to be fetched: on separate threads, so that callers with a cached key do not
            # wait.
            claims = await to_thread.run_sync(self.verify, token, limiter=self._fetchers)
        return SignedIn(str(claims["sub"]))

    def verify(self, token: str) -> dict[str, Any]:
        """Returns the token claims of a valid token.

        Raises NotSignedInError, and ProblemError 503 `sign_in_unavailable` when the keys cannot be fetched.
        """
        if len(token) > _LONGEST_TOKEN:
            raise NotSignedInError("the token is too long")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key_for(token),
                algorithms=_ALGORITHMS,
                audience=self._source.audience,
                issuer=self._source.issuer,
                leeway=_LEEWAY,
                options={"require": ["sub", "exp"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise NotSignedInError("the token has expired; get a new one") from error
        except jwt.PyJWTError as error:
            raise NotSignedInError(f"the token does not count: {type(error).__name__}") from error
        if not claims["sub"].strip() or not claims["sub"].isprintable():
            raise NotSignedInError("the token names nobody")
        return claims

    def _key_for(self, token: str) -> "jwt.PyJWK | str":
        if self._keys is None:
            return self._public_key
        try:
            key = self._keys.find(_kid(token) or "")
        except KeysUnavailableError as error:
            raise ProblemError(
                503,
                "sign_in_unavailable",
                "the keys that tokens are checked with cannot be fetched now; try again in a few seconds",
                headers={"Retry-After": "5"},
            ) from error
        if key is None:
            raise NotSignedInError("the token does not count: it names no key of the identity provider")
        return key

    @cached_property
    def _public_key(self) -> str:
        return _read_public_key(self._source.public_key)


def _kid(token: str) -> str | None:
    """Returns the id of the key that the token names, unverified."""
    try:
        kid = jwt.get_unverified_header(token).get("kid") if len(token) <= _LONGEST_TOKEN else None
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    return kid if isinstance(kid, str) else None


def issue_token(settings: Settings, username: str, *, valid_for: timedelta) -> str:
    """Returns a token for this username, signed with this home's key.

    Raises SettingsError when tokens are verified with other keys than this home's.
    """
    if settings.jwt_public_key or settings.jwt_jwks_url:
        raise SettingsError(
            "tokens come from your identity provider, as PRAMAAN_JWT_PUBLIC_KEY or PRAMAAN_JWT_JWKS_URL says"
        )
    now = datetime.now(UTC)
    claims = {
        "sub": username,
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "iat": now,
        "exp": now + valid_for,
        "jti": secrets.token_urlsafe(12),
    }
    return jwt.encode(claims, (settings.secrets / "token_signing.key").read_text(), algorithm="EdDSA")


def _read_public_key(path: Path | None) -> str:
    """Returns the public key in a PEM file, or the public key of the private key in it, as PEM."""
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_private_key,
        load_pem_public_key,
    )

    try:
        pem = Path(str(path)).read_bytes()
        is_private = b"PRIVATE KEY" in pem
        key = (
            load_pem_private_key(pem, password=None).public_key() if is_private else load_pem_public_key(pem)
        )
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(
            f"{path} holds no public key as PEM that can be read ({type(error).__name__}); "
            "see PRAMAAN_JWT_PUBLIC_KEY"
        ) from error
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
