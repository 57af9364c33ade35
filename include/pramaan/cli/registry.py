"""`pramaan issuer add`, `attach`, `detach`: the assertion rules for operators."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pramaan.errors import RegistryError

if TYPE_CHECKING:
    from pramaan.registry.issuers import Issuer
    from pramaan.signatures.images import Signature

__all__ = ["attach", "detach", "issuer"]


class _Instant(click.ParamType[datetime]):
    name = "INSTANT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            instant = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no instant such as 2026-01-31T09:30:00Z", param, ctx)
        if instant.tzinfo is None:
            self.fail(f"{value!r} has no time zone; write UTC with a Z", param, ctx)
        return instant


@click.group()
def issuer() -> None:
    """Issuers: the bodies in whose name certificates are issued."""


@issuer.command("add")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def issuer_add(file: Path) -> None:
    """Add the issuer described in FILE, or a new version of it.

    FILE is JSON: id, tenant_id, name, url, email, signatory {name, designation}, signature (path of a PNG,
    JPEG or SVG). The same details again change nothing; other details make a new version, which applies to
    completions from now on.
    """
    from pramaan.cli.context import open_registry, operator
    from pramaan.registry.issuers import record_issuer

    described = read_issuer(file)
    with open_registry() as connection:
        recorded = record_issuer(connection, described, by=operator())
    click.echo(
        f"Issuer {recorded.issuer_id} of tenant {recorded.tenant_id}: version {recorded.version} is in force."
    )


@click.command()
@click.argument("course")
@click.option("--template", required=True, help="A folder under templates/certificates.")
@click.option("--issuer", "issuer_id", required=True, help="An issuer of the course's tenant.")
@click.option("--recipient-tenant", "recipient_tenants", multiple=True, help="Only for users of this tenant.")
@click.option("--minimum-score", type=float, help="Least mean score, 0 to 100.")
@click.option("--notify", is_flag=True, help="Send each recipient a short mail on issue.")
@click.option("--from", "valid_from", type=_Instant(), help="In force from then; by default from now.")
@click.option("--reason", help="Why; required for an instant in the past.")
def attach(
    course: str,
    *,
    template: str,
    issuer_id: str,
    recipient_tenants: tuple[str, ...],
    minimum_score: float | None,
    notify: bool,
    valid_from: datetime | None,
    reason: str | None,
) -> None:
    """Assert a certificate to COURSE: whoever completes it from then on earns it."""
    from pramaan.cli.context import open_pipeline, operator
    from pramaan.registry import attachment_changes
    from pramaan.registry.attachments import Criteria
    from pramaan.registry.bundled_templates import vetted_template

    begin = _since(valid_from, reason)
    pipeline = open_pipeline()
    kept = vetted_template(pipeline.connect, template, fonts=pipeline.worker_config.fonts_folder)
    with pipeline.connect() as connection:
        attachment = attachment_changes.attach(
            connection,
            course,
            template=kept,
            issuer_id=issuer_id,
            criteria=Criteria(recipient_tenants, minimum_score),
            notify_recipients=notify,
            valid_from=begin,
            by=operator(),
            reason=reason,
        )
    since = attachment.valid_from.isoformat()
    click.echo(f"Course {course} has the certificate {template} of {issuer_id} from {since} on.")


@click.command()
@click.argument("course")
@click.option("--from", "valid_to", type=_Instant(), help="Removed from then; by default from now.")
@click.option("--reason", help="Why; required for an instant in the past.")
def detach(course: str, *, valid_to: datetime | None, reason: str | None) -> None:
    """Remove the certificate from COURSE. What was earned before stays earned."""
    from pramaan.cli.context import open_registry, operator
    from pramaan.registry import attachment_changes

    until = _since(valid_to, reason)
    with open_registry() as connection:
        attachment = attachment_changes.detach(
            connection, course, valid_to=until, by=operator(), reason=reason
        )
    click.echo(f"Course {course} has no certificate from {attachment.valid_to} on.")


def read_issuer(file: Path) -> "Issuer":
    """The issuer that a JSON file describes.

    Raises RegistryError `invalid_issuer` naming the field, or what `check_signature` raises.
    """
    from pydantic import ValidationError

    from pramaan.web.issuers import issuer_of
    from pramaan.web.request_models import NewIssuer

    class IssuerFile(NewIssuer):
        signature: str | None = None

    try:
        described = IssuerFile.model_validate_json(file.read_bytes())
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in error.errors())
        raise RegistryError("invalid_issuer", f"{file}: {said}") from error
    signature = _read_signature(file.parent / described.signature) if described.signature else None
    issuer = issuer_of(described, issuer_id=described.id, tenant_id=described.tenant_id)
    return replace(issuer, signature=signature)


def _read_signature(path: Path) -> "Signature":
    from pramaan.signatures.images import check_signature

    try:
        return check_signature(path.read_bytes())
    except OSError as error:
        raise RegistryError(
            "invalid_issuer",
            f"signature: {path} cannot be read: {error.strerror}; it is a path beside the file",
        ) from error


def _since(instant: datetime | None, reason: str | None) -> datetime | None:
    if instant is not None and instant < datetime.now(UTC) and not reason:
        raise click.UsageError("an instant in the past is for imports of history: say why with --reason")
    return instant
