"""The texts that a portal shows around a profile's certificates. The page and its buttons are the portal's
own.

Keys are stable: a portal built with them keeps working. New keys may be added, none renamed or removed.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pramaan.localisation.catalogues import gettext_in, gettext_noop

__all__ = ["LABELS", "labels_in"]

LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Translators: The button beside a course on the learner's profile, and a column's heading.
        "certificate_button": gettext_noop("Certificate"),
        # Translators: Heading of the list on the learner's profile.
        "my_certificates": gettext_noop("My certificates"),
        # Translators: Button.
        "download_certificate": gettext_noop("Download certificate"),
        # Translators: Button; leads to the page that says whether a certificate is genuine.
        "verify_certificate": gettext_noop("Verify certificate"),
        "offline": gettext_noop("You are offline. Connect to the internet to download your certificate."),
        "unavailable": gettext_noop(
            "Your certificate cannot be fetched right now. Please try again in a few minutes."
        ),
        "being_prepared": gettext_noop("Your certificate is being prepared. Please check again later."),
        # Translators: Shown when the name is missing, or has characters that cannot be printed.
        "correct_name": gettext_noop("Correct the name on your profile to receive your certificate."),
        "not_earned": gettext_noop("You have not earned the certificate of this course yet."),
        # Translators: Shown in place of an empty list.
        "no_certificates": gettext_noop("You have no certificates yet."),
        "replaced": gettext_noop("This certificate has been replaced by a newer one."),
        "revoked": gettext_noop("This certificate has been revoked."),
    }
)
"""Key -> English text."""


def labels_in(language: str) -> dict[str, str]:
    """Returns every label, by its key, in a language.

    Raises UnknownLanguageError.
    """
    translate = gettext_in(language)
    return {key: translate(text) for key, text in LABELS.items()}
