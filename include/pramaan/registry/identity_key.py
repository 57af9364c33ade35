"""Which key makes the certificates' ids: `ops.deployments` knows its fingerprint, never the key."""

from pramaan.database.connect import Connection
from pramaan.errors import HostError

__all__ = ["record_identity_key"]


def record_identity_key(connection: Connection, fingerprint: str) -> None:
    """Remember the key's fingerprint the first time; refuse another key ever after.

    Raises HostError: with another key every certificate would get a second id, and a second PDF.
    """
    connection.execute(
        "insert into ops.deployments (name, fingerprint) values ('certificate_id.key', %s) "
        "on conflict do nothing",
        (fingerprint,),
    )
    row = connection.execute(
        "select fingerprint from ops.deployments where name = 'certificate_id.key'"
    ).fetchone()
    if row is None or row[0] != fingerprint:
        raise HostError(
            "secrets/certificate_id.key in PRAMAAN_HOME is not the key that made this database's "
            "certificates; restore that key from your backup"
        )
