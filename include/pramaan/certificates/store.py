"""The object store of PDFs: whole objects appear at their address, or nothing does.

Any fsspec URL. On a local disk a file is written aside, synced and renamed; an object store's own put is
atomic.
"""

import os
import secrets
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pramaan.errors import StoreError

__all__ = ["Store", "certificate_path"]


def certificate_path(certificate_id: str) -> str:
    """Where a certificate's PDF lies in the store; spread over 256 folders, which listings bear better than
    one.
    """
    return f"certificates/{certificate_id[:2]}/{certificate_id}.pdf"


class Store:
    """The store at an fsspec URL."""

    def __init__(self, url: str) -> None:
        self._fs, root = fsspec.core.url_to_fs(url)
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
        except OSError as error:
            raise StoreError(
                f"the store cannot write {path}: {error.strerror or type(error).__name__}; see that "
                "it is reachable, writable and has room, then run again"
            ) from error
        return str(self._fs.unstrip_protocol(target))

    def get(self, path: str) -> bytes:
        """The object at `path`. Raises StoreError when it cannot be read."""
        try:
            return bytes(self._fs.cat_file(f"{self._root}/{path}"))
        except OSError as error:
            raise StoreError(
                f"the store cannot read {path}: {error.strerror or type(error).__name__}"
            ) from error


def _write_aside_then_rename(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with aside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
