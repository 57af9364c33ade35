"""The JWKS cache: keys from a JWKS URL (RFC 7517), fetched so that tokens with unknown keys never delay
others.

A cached key is found without waiting. One fetch runs at a time; a token with an unknown key starts one at
most every 30 seconds, whether it succeeds or not. While the identity provider cannot be reached, cached keys
stay valid for an hour.
"""

import threading
import time
from typing import Final

import jwt

__all__ = ["JwksCache", "KeysUnavailableError"]

_FORCED_EVERY_SECONDS: Final = 30.0
_RETRIED_EVERY_SECONDS: Final = 1.0
_STALE_SECONDS: Final = 3600.0
_FETCH_SECONDS: Final = 5.0


class KeysUnavailableError(Exception):
    """No cached key is valid, and the URL returns none now."""


class JwksCache:
    """The signing keys at a URL by their `kid`; cached for `kept_seconds`, then fetched again."""

    def __init__(self, url: str, *, kept_seconds: float) -> None:
        self._client = jwt.PyJWKClient(url, cache_keys=False, cache_jwk_set=False, timeout=_FETCH_SECONDS)
        self._kept_seconds = kept_seconds
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._tried_at = self._forced_at = float("-inf")
        self._fetching = threading.Lock()

    def has(self, kid: str) -> bool:
        """Whether `find` would return the key without a fetch."""
        return kid in self._keys and self._age(self._fetched_at) < self._kept_seconds

    def find(self, kid: str) -> jwt.PyJWK | None:
        """Returns the key; None when no key has this id. May fetch, for at most 5 seconds.

        Raises KeysUnavailableError.
        """
        # While another thread fetches, a caller waits only if no keys are cached at all.
        if self._is_due(kid) and not (self._keys and self._fetching.locked()):
            with self._fetching:
                if self._is_due(kid):
                    self._fetch(kid)
        if self._age(self._fetched_at) > self._kept_seconds + _STALE_SECONDS:
            raise KeysUnavailableError
        return self._keys.get(kid)

    def _is_due(self, kid: str) -> bool:
        if self.has(kid):
            return False
        if kid in self._keys or self._age(self._fetched_at) > self._kept_seconds:
            return self._age(self._tried_at) > min(self._kept_seconds, _RETRIED_EVERY_SECONDS)
        return self._age(self._forced_at) > _FORCED_EVERY_SECONDS

    def _fetch(self, kid: str) -> None:
        self._tried_at = time.monotonic()
        if self._keys and kid not in self._keys:
            self._forced_at = self._tried_at
        try:
            keys = self._client.get_signing_keys(refresh=True)
        except (jwt.PyJWTError, OSError, ValueError):
            return
        self._keys = {str(key.key_id): key for key in keys}
        self._fetched_at = time.monotonic()

    @staticmethod
    def _age(instant: float) -> float:
        return time.monotonic() - instant
