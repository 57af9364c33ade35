"""Brings a database and a home to what this version expects."""

from collections.abc import Callable

from pramaan.database.migrate import migrate, schema_is_current
from pramaan.settings import Settings

__all__ = ["prepare", "prepare_schema"]

Report = Callable[[str], None]


def prepare_schema(url: str, *, report: Report = lambda _: None) -> None:
    """Bring the tables to this version: all that the registry's own commands need.

    Quick when they are; safe to repeat and in several processes at once. Raises DatabaseError.
    """
    if not schema_is_current(url):
        report("Migrating the registry")
        migrate(url)


def prepare(settings: Settings, *, url: str, report: Report = lambda _: None) -> None:
    """Bring schema, rules and printable characters to this version, and try landing folder, store and mail
    settings; quick when all is as it should be.

    Safe to repeat and in several processes at once. Raises DatabaseError, HostError, SettingsError or
    StoreError.
    """
    from pramaan.database.connect import connect
    from pramaan.feeds.landing import Landing
    from pramaan.lifecycle.identity import IdentityKey
    from pramaan.registry.identity_key import record_identity_key
    from pramaan.registry.printable import record_printable_code_points
    from pramaan.rendering.fonts import fonts_fingerprint, printable_code_points
    from pramaan.reports.service import ReportService
    from pramaan.store import Store
    from pramaan.warehouse.dbt import deploy_if_changed

    prepare_schema(url, report=report)
    with connect(url) as connection:
        if record_printable_code_points(connection, printable_code_points, fingerprint=fonts_fingerprint()):
            report("Recorded which characters the fonts can print")
        record_identity_key(connection, IdentityKey.read(settings.secrets / "certificate_id.key").fingerprint)
    Landing(settings.landing_url)
    Store(settings.store_url)
    ReportService(settings, url=url).check_settings()
    if deploy_if_changed(url, target=settings.home / "dbt"):
        report("Deployed the rules by dbt")
