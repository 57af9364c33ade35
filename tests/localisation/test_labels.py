"""The texts a portal shows."""

import pytest

from pramaan.errors import UnknownLanguageError
from pramaan.localisation import LANGUAGES, labels_in

KEYS = {
    "being_prepared",
    "certificate_button",
    "correct_name",
    "download_certificate",
    "my_certificates",
    "no_certificates",
    "not_earned",
    "offline",
    "replaced",
    "revoked",
    "unavailable",
    "verify_certificate",
}
"""What portals are built against: only ever added to."""


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_label(language: str) -> None:
    labels = labels_in(language)
    assert labels.keys() == KEYS
    assert all(labels.values())
    assert len(set(labels.values())) == len(KEYS)


def test_a_label_is_in_its_language() -> None:
    assert labels_in("en")["certificate_button"] == "Certificate"
    assert labels_in("hi")["certificate_button"] == "प्रमाणपत्र"
    assert labels_in("as")["certificate_button"] == "প্ৰমাণপত্ৰ"
    assert labels_in("ta")["certificate_button"] == "சான்றிதழ்"


def test_the_labels_are_the_callers_own() -> None:
    labels_in("hi").clear()
    assert labels_in("hi").keys() == KEYS


def test_labels_in_an_unknown_language_are_refused() -> None:
    with pytest.raises(
        UnknownLanguageError, match="'fr' is not a language we have texts in; use one of as, bn"
    ):
        labels_in("fr")
