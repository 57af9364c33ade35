"""Addresses: which ones mail can be sent to, and how they are masked for people who need not know them.

Addresses are ASCII (RFC 5321 without its extension SMTPUTF8, which few servers in use have); an
internationalised domain is written in its ASCII form.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import getaddresses
from typing import Final, Self

from pramaan.errors import SettingsError

__all__ = ["PLAUSIBLE", "Sender", "addresses_in", "domains_in", "is_sendable", "masked", "without_addresses"]

_LABEL: Final = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# Without the asterisk, which the standard allows: it marks addresses that a feed has masked.
_ATOM: Final = "[A-Za-z0-9!#$%&'+/=?^_`{|}~-]+"
_LOCAL_PART: Final = rf"{_ATOM}(\.{_ATOM})*"
_LONGEST: Final = 254
_LONGEST_LOCAL_PART: Final = 64

PLAUSIBLE: Final = (
    rf"^(?=.{{6,{_LONGEST}}}$)(?=[^@]{{1,{_LONGEST_LOCAL_PART}}}@){_LOCAL_PART}@({_LABEL}\.)+{_LABEL}$"
)
"""What a person's address looks like; the same pattern works in Python and in Postgres."""

_SENDABLE: Final = re.compile(rf"{_LOCAL_PART}@({_LABEL}\.)*{_LABEL}")
_ANY_ADDRESS: Final = re.compile(r"[^\s<>,;:()\[\]]+@[^\s<>,;:()\[\]]+")
_SHOWN_LETTERS: Final = 2
_HIDDEN_LETTERS: Final = 2


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender of our mail: `PRAMAAN_MAIL_FROM`, as in `certificates@example.org` or `Name <address>`."""

    name: str
    address: str

    @classmethod
    def parse(cls, mail_from: str) -> Self:
        """Parse the setting. Raises SettingsError when it is not a single ASCII address."""
        # Parses all of them: whether parseaddr accepts the first of several depends on the version of Python.
        found = getaddresses([mail_from])
        if len(found) != 1 or not is_sendable(found[0][1]) or not mail_from.isprintable():
            raise SettingsError(
                "PRAMAAN_MAIL_FROM: is no address such as certificates@example.org or Name <address>"
            )
        return cls(*found[0])

    @property
    def host(self) -> str:
        """The part after the `@`."""
        return self.address.rpartition("@")[2].lower()


def is_sendable(address: str) -> bool:
    """Whether a mail server could accept mail for this address; host names without a dot are allowed."""
    local_part = address.rpartition("@")[0]
    return (
        bool(_SENDABLE.fullmatch(address))
        and len(address) <= _LONGEST
        and len(local_part) <= _LONGEST_LOCAL_PART
    )


def addresses_in(text: str, *, variable: str) -> tuple[str, ...]:
    """Returns the addresses of a setting, separated by commas; each once, in order.

    Raises SettingsError naming the variable when mail cannot be sent to one of them.
    """
    found = tuple(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))
    if not all(is_sendable(one) for one in found):
        raise SettingsError(f"{variable}: takes addresses such as team@example.org, separated by commas")
    return found


def domains_in(text: str, *, variable: str) -> frozenset[str]:
    """Returns the domains of a setting, separated by commas, with or without an `@`; in lower case.

    Raises SettingsError naming the variable when one is not a domain.
    """
    found = {one.strip().lower().removeprefix("@") for one in text.split(",")} - {""}
    if not all(is_sendable(f"somebody@{one}") for one in found):
        raise SettingsError(f"{variable}: takes domains such as example.org, separated by commas")
    return frozenset(found)


def masked(address: str) -> str:
    """Returns an address as it may be stored and shown: two letters, three asterisks and the host. At least
    two letters are hidden, so a short local part shows one letter or none.
    """
    local_part, _, host = address.rpartition("@")
    shown = min(_SHOWN_LETTERS, max(0, len(local_part) - _HIDDEN_LETTERS))
    return f"{local_part[:shown]}***@{host}"


def without_addresses(text: str, *, of: Iterable[str] = ()) -> str:
    """Returns a server's text on one line and without any address, nor the local part of any address
    in `of`.
    """
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    line = _ANY_ADDRESS.sub("***", line)
    for address in of:
        local_part = address.rpartition("@")[0]
        line = re.sub(rf"(?<!\w){re.escape(local_part)}(?!\w)", "***", line, flags=re.IGNORECASE)
    return line
