"""The environment, parsed once into a frozen record. Nothing else reads `PRAMAAN_*` variables.

Without any variable set, everything is under `./.pramaan` (the *home*), with an embedded Postgres.
"""

from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pramaan.errors import SettingsError

__all__ = ["PREFIX", "PROJECT_ROOT", "Settings", "load_settings"]

PROJECT_ROOT = Path(__file__).resolve().parents[2]
"""The checkout, with `dags`, `dbt`, `plugins` and `templates`."""

AbsolutePath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]

PREFIX: Final = "/pramaan"
"""The path prefix under which the API and its pages are always mounted; the published address ends in it."""


class Settings(BaseSettings):
    """The settings of this home. Each field is the variable `PRAMAAN_<FIELD>`."""

    model_config = SettingsConfigDict(
        env_prefix="PRAMAAN_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    home: AbsolutePath = Field(default=Path(".pramaan"), validate_default=True)
    database_url: SecretStr | None = None
    database_direct_url: SecretStr | None = None
    landing: str = ""
    store: str = ""
    public_url: str = ""
    port_base: int = Field(default=18080, ge=1024, le=65000)
    timezone: str = "Asia/Kolkata"
    smtp_url: SecretStr | None = None
    mail_from: str = "pramaan@localhost"
    mails_per_minute: int = Field(default=600, ge=1)
    mail_limit_megabytes: int = Field(default=20, ge=1)
    team_email: str = ""
    report_domains: str = ""
    reports_per_hour: int = Field(default=120, ge=1)
    gate_weeks: int = Field(default=4, ge=1, le=52)
    gate_volume_factor: float = Field(default=10.0, ge=1)
    gate_volume_floor: int = Field(default=100, ge=1)
    gate_oldest_days: int = Field(default=60, ge=1)
    jwt_public_key: Path | None = None
    jwt_jwks_url: str = ""
    jwt_audience: str = ""
    jwt_issuer: str = ""

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is no IANA time zone, such as Asia/Kolkata") from error
        return value

    @field_validator("public_url")
    @classmethod
    def _published_base(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and not (
            parts.scheme in {"http", "https"}
            and parts.netloc
            and value.isascii()
            and value.rstrip("/").endswith(PREFIX)
        ):
            raise ValueError(
                "must be an http or https address that ends in /pramaan: it is printed in every QR code"
            )
        return value.rstrip("/")

    @model_validator(mode="after")
    def _one_source_of_keys(self) -> Self:
        if self.jwt_public_key and self.jwt_jwks_url:
            raise ValueError("PRAMAAN_JWT_PUBLIC_KEY and PRAMAAN_JWT_JWKS_URL: set one of the two")
        if (self.jwt_public_key or self.jwt_jwks_url) and not self.jwt_issuer:
            raise ValueError("PRAMAAN_JWT_ISSUER: say whose tokens count, as they name it in `iss`")
        return self

    @property
    def pipeline_database_url(self) -> str | None:
        """The database for callers that need sessions of their own, bypassing any pooler: the pipeline for
        its locks, and the API, which has its own pool.
        """
        url = self.database_direct_url or self.database_url
        return url.get_secret_value() if url else None

    @property
    def landing_url(self) -> str:
        """The landing folder as an fsspec URL."""
        return self.landing or f"file://{self.home / 'landing'}"

    @property
    def store_url(self) -> str:
        """The object store of PDFs and reports as an fsspec URL."""
        return self.store or f"file://{self.home / 'store'}"

    @property
    def public_base_url(self) -> str:
        """The base of every published address; ends in `/pramaan`."""
        return self.public_url or f"http://127.0.0.1:{self.airflow_port}{PREFIX}"

    @property
    def airflow_port(self) -> int:
        """The port of Airflow's API server."""
        return self.port_base

    @property
    def postgres_port(self) -> int:
        """The port of the embedded Postgres."""
        return self.port_base + 1

    @property
    def api_port(self) -> int:
        """The port of the API when it runs without Airflow, by `pramaan serve`."""
        return self.port_base + 2

    @property
    def mail_port(self) -> int:
        """The port of the embedded mail server, which stores all mail in the outbox."""
        return self.port_base + 3

    @property
    def mail_server_url(self) -> str:
        """The mail server that mail is handed to: the configured one, else the embedded one."""
        return self.smtp_url.get_secret_value() if self.smtp_url else self._embedded_mail_server_url

    @property
    def delivers_mail(self) -> bool:
        """Whether mail leaves this machine; the embedded server only stores it."""
        return self.mail_server_url != self._embedded_mail_server_url

    @property
    def _embedded_mail_server_url(self) -> str:
        return f"smtp://127.0.0.1:{self.mail_port}"

    @property
    def outbox(self) -> Path:
        """The Maildir of the embedded mail server."""
        return self.home / "outbox"

    @property
    def quality_docs(self) -> Path:
        """The folder of the pages about quality checks: shared, where the API runs on another machine."""
        return self.home / "quality"

    @property
    def secrets(self) -> Path:
        """The folder of this home's generated secrets, readable by its owner only."""
        return self.home / "secrets"

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of calendar days and months."""
        return ZoneInfo(self.timezone)


def load_settings() -> Settings:
    """Parse the environment.

    Raises SettingsError naming the variable, what is wrong with it and what it accepts.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"PRAMAAN_{str(e['loc'][0]).upper()}: {e['msg']}" if e["loc"] else e["msg"]
            for e in error.errors()
        ]
        raise SettingsError("; ".join(lines)) from error
