"""Every error that Pramaan raises on purpose.

    PramaanError
    ├── SettingsError         an environment variable has a value that cannot be used
    ├── HostError             this machine lacks something: a port, a package, a right, disk space
    ├── DatabaseError         Postgres cannot be reached, or is not migrated
    ├── PipelineBusyError     another run holds the pipeline's lock, or telemetry's
    ├── FeedError             a file or a feed cannot be used as a whole
    ├── LoadError             files could not be loaded, by our own fault; they wait
    ├── BusyError             too many operations of one kind are running here: transient
    ├── RegistryError         the rules refuse an issuer, template or attachment request
    ├── ReportError           a progress report cannot be requested, or cannot be built: permanent
    ├── TemplateError         a certificate template is wrong; names the place
    ├── RenderError           one certificate cannot be rendered: permanent
    ├── StoreError            the object store refused or failed: transient
    ├── MailError             the mail server cannot be reached, or refuses us; mails wait
    ├── MailFilesError        the files of a mail are lost: permanent
    └── UnknownLanguageError  a language that Pramaan has no texts in

A message names what happened, to which key, and what to do about it. It never carries personal data.
"""

__all__ = [
    "BusyError",
    "DatabaseError",
    "FeedError",
    "HostError",
    "LoadError",
    "MailError",
    "MailFilesError",
    "PipelineBusyError",
    "PramaanError",
    "RegistryError",
    "RenderError",
    "ReportError",
    "SettingsError",
    "StoreError",
    "TemplateError",
    "UnknownLanguageError",
]


class PramaanError(Exception):
    """Base of every error raised on purpose; the CLI prints it as one message."""


class SettingsError(PramaanError):
    """An environment variable has a value that cannot be used."""


class HostError(PramaanError):
    """This machine lacks something that Pramaan needs."""


class DatabaseError(PramaanError):
    """Postgres cannot be reached, or its schema is not what this version expects."""


class PipelineBusyError(PramaanError):
    """Another run holds the pipeline's lock, or telemetry's."""


class BusyError(PramaanError):
    """Too many operations of one kind are running on this machine; a retry in a moment helps."""


class FeedError(PramaanError):
    """A feed file cannot be used as a whole."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule

    def __reduce__(self) -> tuple[type["FeedError"], tuple[str, str]]:
        # Without this it cannot be unpickled from a worker process, and looks as if the process had died.
        return type(self), (self.rule, str(self))


class LoadError(PramaanError):
    """Files could not be loaded, by our own fault; they wait, and all other files are loaded."""


class RegistryError(PramaanError):
    """The rules refuse a request about issuers, templates or attachments.

    `code` is stable and the same in every interface, e.g. `certificate_already_attached`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type["RegistryError"], tuple[str, str]]:
        # Without this it cannot be unpickled from a worker process, and looks as if the process had died.
        return type(self), (self.code, str(self))


class ReportError(PramaanError):
    """A progress report cannot be requested, or cannot be built however often it is tried.

    `code` is stable and the same in every interface, e.g. `batch_not_found`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type["ReportError"], tuple[str, str]]:
        # Without this it cannot be unpickled from a worker process, and looks as if the process had died.
        return type(self), (self.code, str(self))


class TemplateError(PramaanError):
    """A certificate template is wrong; the message names the file and what is wrong in it."""


class RenderError(PramaanError):
    """One certificate cannot be rendered, and a retry would not help."""

    def __init__(self, error_class: str, message: str) -> None:
        super().__init__(message)
        self.error_class = error_class

    def __reduce__(self) -> tuple[type["RenderError"], tuple[str, str]]:
        # Without this it cannot be unpickled from a worker process, and looks as if the process had died.
        return type(self), (self.error_class, str(self))


class StoreError(PramaanError):
    """The object store refused or failed; a later retry may help."""


class MailError(PramaanError):
    """The mail server cannot be reached, or refuses us; mails wait."""


class MailFilesError(PramaanError):
    """The files of a mail are no longer available, so it will never be sent with them; `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class UnknownLanguageError(PramaanError):
    """A language that Pramaan has no texts in; the message names those it has."""
