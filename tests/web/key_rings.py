"""Keys, tokens made by hand with them, and a small server that publishes keys as identity providers do."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import get_default_algorithms

__all__ = ["KEYS", "KeyServer", "claims", "jwk", "key_server", "public_pem", "signed", "write_pem"]

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

KEYS: dict[str, PrivateKey] = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
"""A key pair of each kind that identity providers sign with."""


def claims(**changes: object) -> dict[str, object]:
    """What a good token says; a change to None leaves a claim out."""
    now = datetime.now(UTC)
    said: dict[str, object] = {
        "sub": "admin",
        "iss": "pramaan",
        "aud": "pramaan",
        "iat": now,
        "exp": now + timedelta(minutes=5),
    }
    return {name: value for name, value in (said | changes).items() if value is not None}


def signed(
    said: dict[str, object], *, algorithm: str = "EdDSA", key: object = None, kid: str | None = None
) -> str:
    """A token that says this, signed by a key (by that of KEYS for the algorithm)."""
    header = {"kid": kid} if kid else None
    signing_key: Any = KEYS[algorithm] if key is None else key
    return jwt.encode(said, signing_key, algorithm=algorithm, headers=header)


def public_pem(key: PrivateKey) -> bytes:
    """The public half, as PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def write_pem(path: Path, key: PrivateKey, *, private: bool = False) -> Path:
    """A key in a PEM file: its public half, or the whole."""
    whole = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(whole if private else public_pem(key))
    return path


def jwk(algorithm: str, kid: str, key: PrivateKey | None = None) -> dict[str, object]:
    """The public half as a JSON Web Key."""
    public = (key or KEYS[algorithm]).public_key()
    form = get_default_algorithms()[algorithm].to_jwk(public, as_dict=True)
    return {**form, "kid": kid, "use": "sig", "alg": algorithm}


class KeyServer:
    """An identity provider's published keys, on loopback."""

    def __init__(self) -> None:
        self.keys: list[dict[str, object]] = []
        self.body: bytes | None = None
        self.status = 200
        self.answering = threading.Event()
        self.answering.set()
        self.being_asked = threading.Event()
        self.asked = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked += 1
                server.being_asked.set()
                server.answering.wait()
                body = server.body if server.body is not None else json.dumps({"keys": server.keys}).encode()
                self.send_response(server.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the keys are."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/keys"

    def close(self) -> None:
        """Be gone: whoever asks then is refused a connection. Safe to repeat."""
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def key_server() -> Iterator[KeyServer]:
    """A server of keys for the block."""
    server = KeyServer()
    try:
        yield server
    finally:
        server.close()
