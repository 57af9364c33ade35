"""Bearer tokens: what counts, what does not, and that a token says who somebody is and nothing more."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from key_rings import KEYS, claims, jwk, key_server, public_pem, signed, write_pem
from web_worlds import Api, World, assert_problem, open_api

from pramaan.errors import SettingsError
from pramaan.registry.grants import Grant, add_grant, remove_grant
from pramaan.settings import Settings
from pramaan.web.sign_in import NotSignedInError
from pramaan.web.tokens import BearerTokens, KeySource, issue_token
from worlds import TESTER

NOW = datetime.now(UTC)
LABELS = "/v1/labels/en"


def ask(api: Api, authorization: str, path: str = LABELS) -> Any:
    return api(None, "GET", path, headers={"authorization": authorization})


@pytest.fixture(scope="module")
def home_key(standing_world: World) -> str:
    """The key that this home signs tokens with."""
    return (standing_world.settings.secrets / "token_signing.key").read_text()


def unsigned(said: dict[str, object], header: dict[str, object], signature: bytes = b"") -> str:
    parts = [json.dumps(part, default=lambda at: int(at.timestamp())).encode() for part in (header, said)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, signature))


def signed_with_the_public_key_as_secret(said: dict[str, object], key: str) -> str:
    """What a checker would take that lets the token choose the kind of its signature."""
    private = jwt.algorithms.get_default_algorithms()["EdDSA"].prepare_key(key)
    head = unsigned(said, {"alg": "HS256", "typ": "JWT"}).rpartition(".")[0]
    mac = hmac.new(public_pem(private), head.encode(), hashlib.sha256).digest()
    return f"{head}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def test_a_good_token_counts(standing_world: World, home_key: str) -> None:
    assert ask(standing_world.api, f"Bearer {signed(claims(), key=home_key)}").status_code == 200
    assert ask(standing_world.api, f"bEARER {signed(claims(), key=home_key)}").status_code == 200


SAID: dict[str, dict[str, object]] = {
    "expired": {"exp": NOW - timedelta(seconds=60)},
    "no expiry": {"exp": None},
    "an expiry that is no instant": {"exp": "tomorrow"},
    "not valid yet": {"nbf": NOW + timedelta(days=1)},
    "issued tomorrow": {"iat": NOW + timedelta(days=1)},
    "another audience": {"aud": "another"},
    "no audience": {"aud": None},
    "an audience that is no text": {"aud": 7},
    "another issuer": {"iss": "another"},
    "no issuer": {"iss": None},
    "nobody": {"sub": None},
    "an empty name": {"sub": ""},
    "a name of spaces": {"sub": "   "},
    "a control character": {"sub": "admin\x00"},
    "half a character": {"sub": "\ud800"},
}


@pytest.mark.parametrize("case", SAID)
def test_a_token_that_says_the_wrong_thing_does_not_count(
    case: str, standing_world: World, home_key: str
) -> None:
    answer = ask(standing_world.api, f"Bearer {signed(claims(**SAID[case]), key=home_key)}", "/v1/courses")
    assert_problem(answer, 401, "not_signed_in")


@pytest.mark.parametrize("sub", [7, ["admin"], {"name": "admin"}, True])
def test_a_name_that_is_no_text_does_not_count(sub: object, standing_world: World, home_key: str) -> None:
    content = json.dumps(claims(sub=sub), default=lambda at: int(at.timestamp())).encode()
    token = jwt.api_jws.encode(content, home_key, algorithm="EdDSA", headers={"typ": "JWT"})
    assert_problem(ask(standing_world.api, f"Bearer {token}"), 401, "not_signed_in")


def test_a_token_that_is_not_signed_by_our_key_does_not_count(standing_world: World, home_key: str) -> None:
    good = signed(claims(), key=home_key)
    head, body, signature = good.split(".")
    other_body = signed(claims(sub="creator_t"), key=home_key).split(".")[1]
    forged = {
        "another key": signed(claims()),
        "another kind of key": signed(claims(), algorithm="ES256"),
        "a large key": signed(claims(), algorithm="RS256"),
        "no signature": unsigned(claims(), {"alg": "none", "typ": "JWT"}),
        "no signature, shouted": unsigned(claims(), {"alg": "NONE", "typ": "JWT"}),
        "no kind": unsigned(claims(), {"typ": "JWT"}),
        "a kind that is no text": unsigned(claims(), {"alg": ["EdDSA"]}, b"x" * 64),
        "the public key as secret": signed_with_the_public_key_as_secret(claims(), home_key),
        "a shared secret": jwt.encode(claims(), "s" * 64, algorithm="HS256"),
        "cut off": f"{head}.{body}.",
        "another body": f"{head}.{other_body}.{signature}",
        "no body": f"{head}..{signature}",
        "a key of its own": jwt.encode(
            claims(), KEYS["EdDSA"], algorithm="EdDSA", headers={"jwk": jwk("EdDSA", "own")}
        ),
    }
    for case, token in forged.items():
        answer = ask(standing_world.api, f"Bearer {token}")
        assert answer.status_code == 401, case
        assert_problem(answer, 401, "not_signed_in")


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer  ", "Basic YWRtaW46YWRtaW4=", "admin", "Bearer a.b.c", "Bearer ....",
     "Bearer " + "a" * 100_000, "Bearer " + "." * 100_000, "Bearer \u00ff\u00fe", "Bearer null",
     "Bearer e30.e30.e30", "Token x, Bearer y"],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_what_is_no_token_does_not_count(authorization: str, standing_world: World) -> None:
    answer = ask(standing_world.api, authorization.encode("latin-1"))  # type: ignore[arg-type]
    problem = assert_problem(answer, 401, "not_signed_in")
    assert authorization[7:27].strip() not in problem["detail"] or len(authorization) < 9


def test_a_token_elsewhere_than_in_the_header_does_not_count(standing_world: World, home_key: str) -> None:
    token = signed(claims(), key=home_key)
    for answer in (
        standing_world.api(None, "GET", f"{LABELS}?token={token}&access_token={token}"),
        standing_world.api(None, "GET", LABELS, headers={"cookie": f"token={token}; _token={token}"}),
    ):
        assert_problem(answer, 401, "not_signed_in")


def test_a_token_carries_only_who_it_is(standing_world: World) -> None:
    token = issue_token(standing_world.settings, "creator_t", valid_for=timedelta(hours=2))
    said = jwt.decode(token, options={"verify_signature": False})
    assert set(said) == {"sub", "iss", "aud", "iat", "exp", "jti"}
    assert (said["sub"], said["exp"] - said["iat"]) == ("creator_t", 7200)
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "typ": "JWT"}


def test_what_a_token_claims_to_be_allowed_is_not_asked(standing_world: World, home_key: str) -> None:
    token = signed(claims(sub="nobody", role="admin", roles=["admin"], scope="admin"), key=home_key)
    assert ask(standing_world.api, f"Bearer {token}", "/v1/courses").json()["courses"] == []


def test_a_grant_that_is_withdrawn_ends_with_the_next_request(two_tenants: World) -> None:
    grant = Grant("nobody", "viewer", "s")
    path = "/v1/courses/counting/certificate"
    assert two_tenants.api("nobody", "GET", path).status_code == 404
    add_grant(two_tenants.connection, grant, by=TESTER)
    assert two_tenants.api("nobody", "GET", path).status_code == 200
    remove_grant(two_tenants.connection, grant, by=TESTER)
    assert_problem(two_tenants.api("nobody", "GET", path), 404, "course_not_found")


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("private", [False, True])
def test_tokens_of_an_identity_provider_are_checked_with_its_key(
    algorithm: str, private: bool, standing_world: World, tmp_path: Path
) -> None:
    settings = standing_world.settings.model_copy(update={
        "jwt_public_key": write_pem(tmp_path / "key.pem", KEYS[algorithm], private=private),
        "jwt_audience": "certificates", "jwt_issuer": "https://idp.example",
    })  # fmt: skip
    theirs = {"aud": "certificates", "iss": "https://idp.example"}
    with open_api(settings) as api:
        assert ask(api, f"Bearer {signed(claims(**theirs), algorithm=algorithm)}").status_code == 200
        for other in KEYS.keys() - {algorithm}:
            token = signed(claims(**theirs), algorithm=other)
            assert_problem(ask(api, f"Bearer {token}"), 401, "not_signed_in")
        for wrong in ({"aud": "pramaan"}, {"iss": "pramaan"}):
            token = signed(claims(**theirs | wrong), algorithm=algorithm)
            assert_problem(ask(api, f"Bearer {token}"), 401, "not_signed_in")
    with pytest.raises(SettingsError, match="PRAMAAN_JWT_PUBLIC_KEY"):
        issue_token(settings, "admin", valid_for=timedelta(hours=1))


@pytest.mark.parametrize("content", [None, b"", b"not a key", b"-----BEGIN PUBLIC KEY-----\nAA==\n"])
def test_a_server_without_a_good_key_does_not_start(
    content: bytes | None, standing_world: World, tmp_path: Path
) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    settings = standing_world.settings.model_copy(update={"jwt_public_key": path})
    with pytest.raises(SettingsError, match=str(path)):
        BearerTokens(KeySource.of(settings)).prepare()


@pytest.fixture
def provider() -> Iterator[Any]:
    """An identity provider that publishes one key, `first`."""
    with key_server() as server:
        server.keys = [jwk("RS256", "first")]
        yield server


@pytest.fixture
def by_provider(provider: Any, standing_world: World) -> Iterator[Api]:
    """The API, which checks tokens with the provider's keys."""
    with open_api(with_keys_at(standing_world.settings, provider.url)) as opened:
        yield opened


def with_keys_at(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"jwt_jwks_url": url, "jwt_issuer": "pramaan"})


def test_published_keys_are_fetched_once(by_provider: Api, provider: Any) -> None:
    token = signed(claims(), algorithm="RS256", kid="first")
    assert [ask(by_provider, f"Bearer {token}").status_code for _ in range(5)] == [200] * 5
    assert provider.asked == 1
    provider.close()
    assert ask(by_provider, f"Bearer {token}").status_code == 200


def test_a_token_that_names_no_published_key_does_not_count(by_provider: Api) -> None:
    for token in (
        signed(claims(), algorithm="RS256", kid="unknown"),
        signed(claims(), algorithm="RS256"),
        signed(claims(), algorithm="ES256", kid="first"),
        signed(claims(exp=NOW - timedelta(minutes=1)), algorithm="RS256", kid="first"),
        "garbage",
    ):
        assert_problem(ask(by_provider, f"Bearer {token}"), 401, "not_signed_in")


def test_tokens_that_name_unknown_keys_do_not_hammer_the_provider(by_provider: Api, provider: Any) -> None:
    for number in range(20):
        ask(by_provider, f"Bearer {signed(claims(), algorithm='RS256', kid=f'unknown{number}')}")
    assert provider.asked <= 2


def test_a_withdrawn_key_counts_no_longer_than_the_set_of_keys_is_kept(provider: Any) -> None:
    source = KeySource(None, provider.url, "pramaan", "pramaan")
    old = signed(claims(), algorithm="RS256", kid="first")
    new = signed(claims(), algorithm="ES256", kid="second")
    tokens = BearerTokens(source, keys_kept_seconds=0.05)
    assert tokens.verify(old)["sub"] == "admin"
    provider.keys = [jwk("ES256", "second")]
    time.sleep(0.06)
    assert tokens.verify(new)["sub"] == "admin"
    with pytest.raises(NotSignedInError):
        tokens.verify(old)


def test_a_provider_that_is_away_is_told_as_such(standing_world: World) -> None:
    token = signed(claims(), algorithm="RS256", kid="first")
    with key_server() as server:
        url = server.url
    with open_api(with_keys_at(standing_world.settings, url)) as api:
        answer = ask(api, f"Bearer {token}")
    assert_problem(answer, 503, "sign_in_unavailable")
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize(("status", "body"), [
    (500, b""), (302, b""), (200, b"<html>"), (200, b"\xff\xfe"), (200, b"[]"), (200, b'{"keys": []}'),
    (200, b'{"keys": [{"kty": "none"}]}'),
])  # fmt: skip
def test_a_provider_that_talks_nonsense_breaks_nothing(
    status: int, body: bytes, by_provider: Api, provider: Any
) -> None:
    provider.status, provider.body = status, body
    answer = ask(by_provider, f"Bearer {signed(claims(), algorithm='RS256', kid='first')}")
    assert_problem(answer, 503, "sign_in_unavailable")


def test_who_is_known_does_not_wait_for_a_provider_that_hangs(provider: Any) -> None:
    source = KeySource(None, provider.url, "pramaan", "pramaan")
    tokens = BearerTokens(source, keys_kept_seconds=0.05)
    good = signed(claims(), algorithm="RS256", kid="first")
    assert tokens.verify(good)["sub"] == "admin"
    provider.answering.clear()
    provider.being_asked.clear()
    time.sleep(0.06)
    with ThreadPoolExecutor(1) as threads:
        fetching = threads.submit(tokens.verify, good)
        provider.being_asked.wait()
        assert tokens.verify(good)["sub"] == "admin"
        for number in range(5):
            with pytest.raises(NotSignedInError):
                tokens.verify(signed(claims(), algorithm="RS256", kid=f"unknown{number}"))
        assert not fetching.done()
        provider.answering.set()
        assert fetching.result()["sub"] == "admin"
