"""Which addresses can be written to, and how they are shown."""

import re

import pytest

from pramaan.database.connect import Connection
from pramaan.errors import SettingsError
from pramaan.mail.addresses import (
    PLAUSIBLE,
    Sender,
    addresses_in,
    is_sendable,
    masked,
    without_addresses,
)

GOOD = [
    "a@b.co",
    "asha.rao+tag@mail.example.org",
    "o'neil@x-y.in",
    f"{'a' * 64}@example.org",
    "a@xn--h2brj9c.in",
]
BAD = [
    "", "asha", "@x.org", "asha@", "a b@x.org", "a@x..org", ".a@x.org", "a.@x.org", "a..b@x.org",
    "as***@example.org", "a@-x.org", "a@x-.org", "a@b@c.org", "a@x.org\n", "a\r\n@x.org", "<a@x.org>",
    "a@x.org,b@x.org", '"a b"@x.org', "आशा@x.org", "a@उदाहरण.भारत", f"{'a' * 65}@example.org",
    f"a@{'b.' * 130}org", "a@[127.0.0.1]", "a\u200b@x.org",
]  # fmt: skip


@pytest.mark.parametrize("address", [*GOOD, *BAD])
def test_only_usable_addresses_are_written_to(address: str) -> None:
    assert is_sendable(address) is (address in GOOD)


def test_python_and_postgres_agree_on_what_is_plausible(connection: Connection) -> None:
    for address in (*GOOD, *BAD):
        row = connection.execute("select %s ~ %s", (address, PLAUSIBLE)).fetchone()
        assert row == (address in GOOD,), address
        assert bool(re.match(PLAUSIBLE, address)) == (address in (*GOOD, "a@x.org\n")), address


def test_a_pathological_address_takes_no_time(connection: Connection) -> None:
    connection.execute("set statement_timeout to '60s'")
    for text in ("a." * 5000, "a@" + "b-" * 5000, "a" * 100_000 + "@" * 50):
        assert connection.execute("select %s ~ %s", (text, PLAUSIBLE)).fetchone() == (False,)


def test_a_sender_has_a_name_or_none() -> None:
    assert Sender.parse("Board of Education <board@example.org>") == Sender(
        "Board of Education", "board@example.org"
    )
    assert Sender.parse("pramaan@localhost").host == "localhost"
    assert Sender.parse('"Rao, Asha (Dr.)" <asha@example.org>').name == "Rao, Asha (Dr.)"


@pytest.mark.parametrize(
    "several_or_broken",
    [
        "a@b.org, c@d.org", "a@b.org c@d.org", "Team: a@b.org, c@d.org;", "Asha <a@b.org> Rao", "a@b.org>",
        "a@", "<", '"', ".<u", " .\\", "Pramaan <", "Rao, Asha <a@b.org>",
    ],
)  # fmt: skip
def test_a_sender_is_one_address(several_or_broken: str) -> None:
    with pytest.raises(SettingsError, match="PRAMAAN_MAIL_FROM"):
        Sender.parse(several_or_broken)


def test_several_addresses_in_a_setting() -> None:
    assert addresses_in(" a@x.org ,b@localhost,,a@x.org", variable="PRAMAAN_TEAM_EMAIL") == (
        "a@x.org",
        "b@localhost",
    )
    assert addresses_in("", variable="PRAMAAN_TEAM_EMAIL") == ()
    with pytest.raises(SettingsError, match="PRAMAAN_TEAM_EMAIL"):
        addresses_in("a@x.org; b@x.org", variable="PRAMAAN_TEAM_EMAIL")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("asha@x.org", "as***@x.org"),
        ("abc@x.org", "a***@x.org"),
        ("ab@x.org", "***@x.org"),
        ("a@x.org", "***@x.org"),
    ],
)
def test_a_masked_address(address: str, shown: str) -> None:
    assert masked(address) == shown


def test_a_servers_words_lose_their_addresses() -> None:
    said = "5.1.1 <Asha.Rao@x.org>: no\r\nmailbox asha.rao here (as123)\x00"
    assert without_addresses(said, of=["asha.rao@x.org"]) == "5.1.1 <***>: no mailbox *** here (as123)"
