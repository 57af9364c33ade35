"""The object store of PDFs: whole objects appear at their address, or nothing does.

Any fsspec URL. On a local disk a file is written aside, synced and renamed; an object store's own put is
atomic.
"""

import os
import secrets
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pramaan.errors import SettingsError, StoreError

__all__ = ["Store", "certificate_path"]


def certificate_path(certificate_id: str, *, sha256: str) -> str:
    """Where a PDF of a certificate lies in the store.

    The content hash is part of the name: a worker that lost its lease and comes late with older facts cannot
    write over what was recorded. Spread over 256 folders, which listings bear better than one.
    """
    return f"certificates/{certificate_id[:2]}/{certificate_id}.{sha256[:16]}.pdf"


class Store:
    """The store at an fsspec URL. Raises SettingsError when no driver for it is installed."""

    def __init__(self, url: str) -> None:
        try:
            self._fs, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise SettingsError(f"PRAMAAN_STORE={url} cannot be opened: {error}") from error
        self._root = root.rstrip("/")
        self._is_local = isinstance(self._fs, LocalFileSystem)

    def put(self, path: str, content: bytes) -> str:
        """Store the object at `path`, replacing what is there; returns its URI. Safe to repeat.

        Raises StoreError when the store refuses, is full or cannot be reached; nothing is left half-written
        at `path`.
        """
        target = f"{self._root}/{path}"
        try:
            if self._is_local:
                _write_aside_then_rename(Path(target), content)
            else:
                self._fs.pipe_file(target, content)
        except Exception as error:
            # Drivers raise what their client libraries raise, which need not be an OSError.
            raise StoreError(
                f"the store cannot write {path}: {_reason(error)}; see that "
                "it is reachable, writable and has room, then run again"
            ) from error
        return str(self._fs.unstrip_protocol(target))

    def get(self, path: str) -> bytes:
        """The object at `path`. Raises StoreError when it cannot be read."""
        try:
            return bytes(self._fs.cat_file(f"{self._root}/{path}"))
        except Exception as error:
            raise StoreError(f"the store cannot read {path}: {_reason(error)}") from error

    def discard(self, path: str) -> None:
        """Remove the object at `path`, if it is there. Raises StoreError when that cannot be told."""
        try:
            self._fs.rm_file(f"{self._root}/{path}")
        except FileNotFoundError:
            return
        except Exception as error:
            raise StoreError(f"the store cannot remove {path}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def _write_aside_then_rename(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with aside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(target)
        _sync_folder(target.parent)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """A renamed file survives a power loss only once its folder is written, too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
