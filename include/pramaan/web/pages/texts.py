"""The pages' texts by code: errors, fields, decisions, and completed actions."""

from collections.abc import Mapping
from typing import Final

from pramaan.localisation import gettext_noop
from pramaan.reports.failures import CSV

__all__ = [
    "DONE",
    "ERROR_TEXTS",
    "FIELDS",
    "FIELD_OF_CODE",
    "LITERALS",
    "REASONS",
    "UNEXPECTED",
]

LITERALS: Final[Mapping[str, str]] = {
    "allowed": "A-Z a-z 0-9 . _ : -",
    "csv": CSV,
    "email": "service@example.org",
    "formats": "PNG, JPEG, SVG",
    "id": "ganga-academy",
    "most": "200 kB",
    "picture": "PNG",
    "place": "Airflow",
    "tenant": "TENANT",
    "web": "https://",
    "xlsx": "Excel (.xlsx)",
    "zip": "AES ZIP",
}
"""Values that are the same in every language, by the placeholders that texts use for them."""

_LOOK: Final = gettext_noop("Something is missing or cannot be used. Look at the marked fields.")
_CHOOSE: Final = gettext_noop("Choose one of these.")
_A_NAME: Final = gettext_noop("A name of 1 to 200 characters.")
# Translators: %(most)s is a size, such as 200 kB.
_TOO_LARGE: Final = gettext_noop(
    "The signature picture is too large. Choose one of at most %(most)s and 4 million pixels."
)

ERROR_TEXTS: Final[Mapping[str, str]] = {
    "certificate_already_attached": gettext_noop(
        "This course already has a certificate. You can update it, or remove it first."
    ),
    "certificate_not_attached": gettext_noop("This course has no certificate now."),
    "changed_meanwhile": gettext_noop(
        "Somebody else changed this a moment ago. Look at what is in force now, then try again."
    ),
    "course_not_found": gettext_noop("There is no such course, or it belongs to another tenant."),
    "course_not_published": gettext_noop(
        "This course is not published yet. A certificate can be asserted once it is."
    ),
    "issuer_not_found": gettext_noop("There is no such issuer, or it belongs to another tenant."),
    "issuer_of_other_tenant": gettext_noop(
        "This issuer belongs to another tenant. Choose an issuer of the course's own tenant."
    ),
    "issuer_already_exists": gettext_noop("An issuer with this id exists already. Choose another id."),
    "issuer_unprintable": gettext_noop(
        "A text has characters that certificates cannot print. Write it in another way."
    ),
    "invalid_issuer": _LOOK,
    "invalid_criteria": _LOOK,
    "invalid_request": _LOOK,
    "template_not_found": gettext_noop("This template is no longer there. Choose another one."),
    "template_not_usable": gettext_noop(
        "This template prints details that the issuer does not have. "
        "Complete the issuer, or choose another template."
    ),
    "tenant_not_found": gettext_noop("You have no role in this tenant."),
    "signature_too_large": _TOO_LARGE,
    "signature_not_an_image": gettext_noop(
        "The file is not a picture that can be read. Use one of: %(formats)s."
    ),
    "signature_unsafe": gettext_noop(
        "The picture has more in it than shapes, such as scripts or links. "
        "Save it as %(picture)s and try again."
    ),
    "body_too_large": _TOO_LARGE,
    "forbidden": gettext_noop(
        "Your role does not allow this. It needs the role badge creator in this tenant."
    ),
    "form_expired": gettext_noop(
        "The page was open too long. Load it again, look at your entries, and send it."
    ),
    "form_not_trusted": gettext_noop("This form did not come from these pages, so nothing was changed."),
    "batch_not_found": gettext_noop("Choose a batch. There is no such one in your tenants."),
    "report_already_running": gettext_noop(
        "A report of this batch is under way for you already. Wait until it has been sent, then ask again."
    ),
    "too_many_reports": gettext_noop("You have asked for very many reports within an hour. Try again later."),
    "email_needed": gettext_noop("No address of yours is known here. Fill in where the report is to go."),
    "email_not_usable": gettext_noop("This is no e-mail address that mail can be sent to."),
    "email_not_allowed": gettext_noop(
        "Reports hold personal details, so they go to your own address or to one of your organisation only."
    ),
    "password_not_usable": gettext_noop("This password cannot be used. It needs 8 to 128 characters."),
    "password_not_kept": gettext_noop(
        "A password is not kept, so reports that are sent by themselves cannot have one. "
        "Leave it empty, or ask for the report now."
    ),
    "report_not_found": gettext_noop(
        "This link leads to no report, or has expired: links work for seven days. Ask for the report again."
    ),
    "mentor_needed": gettext_noop(
        "Reports are for people with the role mentor in a tenant. Ask your administrator for it."
    ),
    "store_unavailable": gettext_noop("The file cannot be reached right now. Try again in a minute."),
    "database_unavailable": gettext_noop("This cannot be reached right now. Try again in a few seconds."),
    "route_not_found": gettext_noop("There is no such page."),
}
"""Code -> what it means and what to do."""

UNEXPECTED: Final = gettext_noop(
    "Something went wrong on our side. Try again; if it stays, tell your administrator."
)
"""For every other code."""

FIELDS: Final[Mapping[str, str]] = {
    "template_id": _CHOOSE,
    "issuer_id": _CHOOSE,
    "recipient_tenants": gettext_noop("At most 1000 tenants, one per line."),
    "minimum_score": gettext_noop("A number from 0 to 100."),
    "id": gettext_noop("Only these characters: %(allowed)s. At most 100, a letter or digit first."),
    "tenant_id": _CHOOSE,
    "name": _A_NAME,
    "url": gettext_noop("A web address that begins with %(web)s"),
    "email": gettext_noop("An e-mail address, such as %(email)s"),
    "signatory_name": _A_NAME,
    "signatory_designation": gettext_noop("At most 200 characters."),
    "signature": gettext_noop("Choose the file again."),
    "batch_id": _CHOOSE,
    "format": _CHOOSE,
    "when": _CHOOSE,
    "password": gettext_noop("8 to 128 characters, or empty."),
}
"""Form field -> what it accepts, shown beside a refused value."""

FIELD_OF_CODE: Final[Mapping[str, str]] = {
    "batch_not_found": "batch_id",
    "email_needed": "email",
    "email_not_allowed": "email",
    "email_not_usable": "email",
    "issuer_already_exists": "id",
    "issuer_not_found": "issuer_id",
    "issuer_of_other_tenant": "issuer_id",
    "password_not_kept": "password",
    "password_not_usable": "password",
    "signature_not_an_image": "signature",
    "signature_too_large": "signature",
    "signature_unsafe": "signature",
    "template_not_found": "template_id",
    "template_not_usable": "template_id",
    "tenant_not_found": "tenant_id",
}
"""Code -> the form field that it is about."""

REASONS: Final[Mapping[str, str]] = {
    "recipient_unknown": gettext_noop("Their user record has not arrived yet"),
    "course_not_published": gettext_noop("The course was not published then"),
    "enrolment_inactive": gettext_noop("Their enrolment is not active"),
    "other_tenant_batch": gettext_noop("Their batch belongs to another tenant"),
    "no_certificate_at_completion": gettext_noop("They completed when no certificate was in force"),
    "outside_recipient_tenants": gettext_noop("They do not belong to the tenants named"),
    "below_minimum_score": gettext_noop("Their mean score is below the minimum"),
    "name_unprintable": gettext_noop("Their name is missing or cannot be printed"),
    "entitled": gettext_noop("They have earned a certificate already"),
}
"""Decision -> why these people would not get the certificate."""

DONE: Final[Mapping[str, str]] = {
    "asserted": gettext_noop("The certificate is asserted. It counts for completions from now on."),
    "updated": gettext_noop("The certificate is updated. The change counts for completions from now on."),
    "removed": gettext_noop("The certificate is removed. What was earned before stays earned."),
    "unchanged": gettext_noop("Nothing was changed: these details were in force already."),
    "issuer_added": gettext_noop("The issuer is added. You can now choose it for a certificate."),
    "issuer_changed": gettext_noop("The issuer is changed. The change counts for completions from now on."),
    "report_asked": gettext_noop("The report is asked for. It comes by mail within 30 minutes."),
    "report_scheduled": gettext_noop("The reports are scheduled. They come by mail, by themselves."),
    "schedule_removed": gettext_noop("The schedule is removed. No more reports come from it."),
}
"""The `done` code in an address -> its text. Any other code shows nothing."""
