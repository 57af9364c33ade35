"""`pramaan token`, `grant` and `serve` as a person at the machine meets them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest
from people import call, call_process

from pramaan.database.connect import Connection
from pramaan.registry.grants import Grant, list_grants
from pramaan.settings import Settings
from pramaan.web.tokens import BearerTokens, KeySource


def test_a_token_says_who_and_the_registry_what(
    environment: dict[str, str], settings: Settings, connection: Connection
) -> None:
    done = call(environment, "token", "--user", "asha", "--role", "badge_creator", "--tenant", "t",
                "--email", "asha@example.org", "--hours", "2")  # fmt: skip
    assert done.returncode == 0, done.stderr
    token = done.stdout.strip()
    said = BearerTokens(KeySource.of(settings)).verify(token)
    assert set(said) == {"sub", "iss", "aud", "iat", "exp", "jti"}
    assert said["sub"] == "asha"
    assert 7_000 < said["exp"] - datetime.now(UTC).timestamp() <= 7_200
    assert list_grants(connection) == [Grant("asha", "badge_creator", "t", "asha@example.org")]
    row = connection.execute("select username, channel, address is null from registry.changes").fetchone()
    assert row is not None
    assert str(row[0]).startswith("operator:")
    assert row[1:] == ("cli", False)


def test_without_a_tenant_a_token_is_for_all(environment: dict[str, str], connection: Connection) -> None:
    tokens = [
        call_process(environment, "token", "--user", "root", "--role", "admin").stdout for _ in range(2)
    ]
    assert list_grants(connection) == [Grant("root", "admin")]
    said = [jwt.decode(token.strip(), options={"verify_signature": False}) for token in tokens]
    assert said[0]["jti"] != said[1]["jti"]


def test_grants_are_added_listed_and_removed(environment: dict[str, str]) -> None:
    added = call(environment, "grant", "add", "--user", "asha", "--role", "mentor", "--tenant", "t")
    assert (added.returncode, added.stdout) == (0, "asha is mentor in tenant t.\n")
    assert "No course, batch or issuer belongs to tenant t yet" in added.stderr
    again = call(environment, "grant", "add", "--user", "asha", "--role", "mentor", "--tenant", "t")
    assert (again.returncode, again.stdout) == (0, "asha is mentor in tenant t, as before.\n")
    assert call(environment, "grant", "add", "--user", "root", "--role", "admin").returncode == 0
    lines = call(environment, "grant", "list").stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["asha", "mentor", "t"],
        ["root", "admin", "(all", "tenants)"],
    ]
    assert json.loads(call(environment, "grant", "list", "--json").stdout) == [
        {"username": "asha", "role": "mentor", "tenant_id": "t", "email": None},
        {"username": "root", "role": "admin", "tenant_id": None, "email": None},
    ]
    removed = call(environment, "grant", "remove", "--user", "asha", "--role", "mentor", "--tenant", "t")
    assert (removed.returncode, removed.stdout) == (0, "asha is mentor no longer.\n")
    assert len(json.loads(call(environment, "grant", "list", "--json").stdout)) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("grant", "remove", "--user", "asha", "--role", "mentor"), "asha has no grant as mentor"),
        (("grant", "add", "--user", " ", "--role", "mentor"), "a grant needs a user"),
        (("grant", "add", "--user", "asha", "--role", "mentor", "--tenant", ""), "a tenant"),
        (("grant", "add", "--user", "asha", "--role", "king"), "king"),
        (("grant", "add", "--user", "asha", "--role", "mentor", "--email", "asha@"), "one address"),
        (("grant", "add", "--user", "asha"), "--role"),
        (("token", "--role", "admin"), "--user"),
        (("token", "--user", "asha", "--role", "admin", "--hours", "0"), "--hours"),
    ],
)
def test_a_mistake_is_one_message_and_grants_nothing(
    arguments: tuple[str, ...], said: str, environment: dict[str, str], connection: Connection
) -> None:
    done = call(environment, *arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list_grants(connection) == []


def test_where_tokens_come_from_elsewhere_none_is_made(environment: dict[str, str]) -> None:
    keys = {"PRAMAAN_JWT_JWKS_URL": "https://idp.example/keys", "PRAMAAN_JWT_ISSUER": "idp"}
    done = call(environment | keys, "token", "--user", "asha", "--role", "admin")
    assert (done.returncode, done.stdout) == (1, "")
    assert "identity provider" in done.stderr
    assert "asha" not in call(environment, "grant", "list").stdout


def test_serve_says_what_it_takes(environment: dict[str, str]) -> None:
    done = call(environment, "serve", "--help")
    assert done.returncode == 0
    for said in ("--host", "--port", "--workers", "bearer tokens", "PRAMAAN_PORT_BASE + 2"):
        assert said in " ".join(done.stdout.split())


def test_serve_does_not_start_with_a_key_that_is_none(environment: dict[str, str], tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("not a key")
    keys = {"PRAMAAN_JWT_PUBLIC_KEY": str(key), "PRAMAAN_JWT_ISSUER": "idp"}
    done = call_process(environment | keys, "serve")
    assert (done.returncode, done.stdout) == (1, "")
    assert str(key) in done.stderr
    assert "Traceback" not in done.stderr
