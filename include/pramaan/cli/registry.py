"""`pramaan issuer add`, `attach`, `detach`: the assertion rules for operators."""

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pramaan.errors import RegistryError

if TYPE_CHECKING:
    from pramaan.registry.issuers import Issuer, Signature

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

    FILE is JSON: id, tenant_id, name, url, email, signatory {name, designation}, signature (path of a PNG
    or JPEG). The same details again change nothing; other details make a new version, which applies to
    completions from now on.
    """
    from pramaan.cli.workplace import open_pipeline
    from pramaan.registry.issuers import record_issuer

    described = read_issuer(file)
    with open_pipeline().connect() as connection:
        version = record_issuer(connection, described, recorded_by=_operator())
    click.echo(
        f"Issuer {described.issuer_id} of tenant {described.tenant_id}: version {version} is in force."
    )


@click.command()
@click.argument("course")
@click.option("--template", required=True, help="A folder under templates/certificates.")
@click.option("--issuer", "issuer_id", required=True, help="An issuer of the course's tenant.")
@click.option("--recipient-tenant", "recipient_tenants", multiple=True, help="Only for users of this tenant.")
@click.option("--minimum-score", type=float, help="Least mean score, 0 to 100.")
@click.option("--from", "valid_from", type=_Instant(), help="In force from then; by default from now.")
@click.option("--reason", help="Why; required for an instant in the past.")
def attach(
    course: str,
    *,
    template: str,
    issuer_id: str,
    recipient_tenants: tuple[str, ...],
    minimum_score: float | None,
    valid_from: datetime | None,
    reason: str | None,
) -> None:
    """Assert a certificate to COURSE: whoever completes it from then on earns it."""
    from pramaan.cli.workplace import open_pipeline
    from pramaan.pipeline import kept_template
    from pramaan.registry import attachments

    kept = kept_template(template)
    since = _since(valid_from, reason)
    with open_pipeline().connect() as connection:
        attachments.attach(
            connection,
            course,
            template=kept,
            issuer_id=issuer_id,
            criteria=attachments.Criteria(recipient_tenants, minimum_score),
            valid_from=since,
            asserted_by=_operator(),
            reason=reason,
        )
    click.echo(f"Course {course} has the certificate {template} of {issuer_id} from {since.isoformat()} on.")


@click.command()
@click.argument("course")
@click.option("--from", "valid_to", type=_Instant(), help="Removed from then; by default from now.")
@click.option("--reason", help="Why; required for an instant in the past.")
def detach(course: str, *, valid_to: datetime | None, reason: str | None) -> None:
    """Remove the certificate from COURSE. What was earned before stays earned."""
    from pramaan.cli.workplace import open_pipeline
    from pramaan.registry import attachments

    until = _since(valid_to, reason)
    with open_pipeline().connect() as connection:
        attachments.detach(connection, course, valid_to=until)
    click.echo(f"Course {course} has no certificate from {until.isoformat()} on.")


def read_issuer(file: Path) -> "Issuer":
    """The issuer that a JSON file describes.

    Raises RegistryError `invalid_issuer` naming the field, or what `check_signature` raises.
    """
    from pydantic import BaseModel, ConfigDict, ValidationError

    from pramaan.registry.issuers import Issuer

    class Signatory(BaseModel):
        model_config = ConfigDict(extra="forbid", strict=True)
        name: str
        designation: str | None = None

    class IssuerFile(BaseModel):
        model_config = ConfigDict(extra="forbid", strict=True)
        id: str
        tenant_id: str
        name: str
        url: str | None = None
        email: str | None = None
        signatory: Signatory | None = None
        signature: str | None = None

    try:
        described = IssuerFile.model_validate_json(file.read_bytes())
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in error.errors())
        raise RegistryError("invalid_issuer", f"{file}: {said}") from error
    signature = _read_signature(file.parent / described.signature) if described.signature else None
    signatory = described.signatory
    return Issuer(
        issuer_id=described.id,
        tenant_id=described.tenant_id,
        name=described.name,
        url=described.url,
        email=described.email,
        signatory_name=signatory.name if signatory else None,
        signatory_designation=signatory.designation if signatory else None,
        signature=signature,
    )


def _read_signature(path: Path) -> "Signature":
    from pramaan.registry.issuers import check_signature

    try:
        return check_signature(path.read_bytes())
    except OSError as error:
        raise RegistryError(
            "invalid_issuer",
            f"signature: {path} cannot be read: {error.strerror}; it is a path beside the file",
        ) from error


def _since(instant: datetime | None, reason: str | None) -> datetime:
    now = datetime.now(UTC)
    if instant is not None and instant < now and not reason:
        raise click.UsageError("an instant in the past is for imports of history: say why with --reason")
    return instant or now


def _operator() -> str:
    """Who sits at this machine, as the registry's record says who asserted what."""
    return f"operator:{getpass.getuser()}"
