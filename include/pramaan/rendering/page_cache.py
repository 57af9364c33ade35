"""Ready-made pages on disk, for processes that have just started: to lay a page out takes as long as three
hundred certificates.

A file's name is the hash of everything that its content follows from, so nothing here is ever out of date.
What is found is what would be made again alike: with the folder or without, certificates are the same bytes.
The files are JSON under their own SHA-256: whatever is in them can at most be refused, never run. All the
same it ends up in certificates, so a folder that others may write to is not used.
"""

import hashlib
import json
import logging
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["Json", "PageCache"]

log = logging.getLogger(__name__)

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None

_MOST_BYTES: Final = 256_000_000
_LEFT_OF_THEM: Final = 0.8
_DIGEST_LENGTH: Final = 64
_SUFFIX: Final = ".page"


class PageCache:
    """Values by what they follow from, in `folder`; safe with many processes at once. Never raises: a disk
    that is full or a file that is damaged means only that something is made again.
    """

    def __init__(self, folder: Path, *, most_bytes: int = _MOST_BYTES) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._is_ours: bool | None = None

    def get(self, *origin: Json) -> Json:
        """The value kept for this origin; None when there is none, or it is damaged."""
        if not self._is_usable():
            return None
        name = _name(origin)
        try:
            data = (self._folder / name).read_bytes()
        except OSError:
            return None
        digest, body = data[:_DIGEST_LENGTH], data[_DIGEST_LENGTH:]
        if hashlib.sha256(name.encode() + body).hexdigest().encode() != digest:
            log.warning("%s is damaged, and made again", self._folder / name)
            return None
        value: Json = json.loads(body)
        return value

    def put(self, value: Json, *origin: Json) -> None:
        """Keep a value, and drop the oldest ones if it gets too much."""
        if not self._is_usable():
            return
        name = _name(origin)
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        digest = hashlib.sha256(name.encode() + body).hexdigest().encode()
        aside = self._folder / f".{name}.{secrets.token_hex(4)}.tmp"
        try:
            aside.write_bytes(digest + body)
            aside.replace(self._folder / name)
            self._drop_oldest()
        except OSError:
            with suppress(OSError):
                aside.unlink(missing_ok=True)

    def _is_usable(self) -> bool:
        if self._is_ours is None:
            self._is_ours = _is_private(self._folder)
        return self._is_ours

    def _drop_oldest(self) -> None:
        """Also what a killed process left half-written: it grows old like the rest."""
        files: list[tuple[float, int, str]] = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                # Another process may drop at the same time.
                with suppress(FileNotFoundError):
                    found = entry.stat(follow_symlinks=False)
                    files.append((found.st_mtime, found.st_size, entry.path))
        total = sum(size for _, size, _ in files)
        if total <= self._most_bytes:
            return
        for _, size, path in sorted(files):
            if total <= self._most_bytes * _LEFT_OF_THEM:
                break
            Path(path).unlink(missing_ok=True)
            total -= size


def _name(origin: tuple[Json, ...]) -> str:
    text = json.dumps(origin, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest() + _SUFFIX


def _is_private(folder: Path) -> bool:
    """Whether the folder is there (made if need be), a folder, ours, and nobody else's to write or read."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        log.warning("no pages are kept in %s: %s", folder, error.strerror or type(error).__name__)
        return False
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077:
        return True
    log.warning("no pages are kept in %s: it must be a folder of this user's alone (chmod 700)", folder)
    return False
