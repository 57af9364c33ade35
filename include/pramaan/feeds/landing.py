"""The landing folder: which files wait, reading one, and moving it out of the way once its fate is recorded.

Works on any fsspec URL. Nothing is ever deleted or overwritten: a file moves to `_loaded/<feed>/` or
`_quarantined/<feed>/`.
"""

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pramaan.errors import StoreError
from pramaan.feeds.chunks import plain_text
from pramaan.feeds.spec import FEEDS

__all__ = ["LandedFile", "Landing", "LocalCopy", "sha256_of"]


@dataclass(frozen=True, slots=True)
class LandedFile:
    """A complete file. `path` is the filesystem's own, `name` relative to the feed's folder."""

    feed: str
    name: str
    path: str
    uri: str

    @property
    def shown_name(self) -> str:
        """The name as text that can be printed, also where it is no UTF-8."""
        return plain_text(self.name)


@dataclass(frozen=True, slots=True)
class LocalCopy:
    """A file's bytes on this machine. `is_current`: the landed file is still as it was when opened."""

    path: Path
    is_current: Callable[[], bool]


class Landing:
    """The landing folder at an fsspec URL."""

    def __init__(self, url: str) -> None:
        self._fs, root = fsspec.core.url_to_fs(url)
        self._root = root.rstrip("/")
        self._is_local = isinstance(self._fs, LocalFileSystem)

    def waiting(self, *, feeds: Collection[str] = FEEDS) -> list[LandedFile]:
        """The complete files of `feeds`, users first and telemetry last, by name.

        Raises StoreError when a folder is there and cannot be listed.
        """
        try:
            return [file for feed in FEEDS if feed in feeds for file in self._files(feed)]
        except OSError as error:
            raise StoreError(
                f"the landing folder {self._root} cannot be listed: {error.strerror or error}. "
                "Its files wait; mend the folder's rights or its store and run again"
            ) from error

    def _files(self, feed: str) -> list[LandedFile]:
        folder = f"{self._root}/{feed}"
        self._fs.invalidate_cache(folder)
        if not self._fs.isdir(folder):
            return []
        self._fs.ls(folder)  # find() would take a folder that cannot be read for an empty one
        names = sorted(str(PurePosixPath(path).relative_to(folder)) for path in self._fs.find(folder))
        return [
            LandedFile(
                feed, name, f"{folder}/{name}", plain_text(self._fs.unstrip_protocol(f"{folder}/{name}"))
            )
            for name in names
            if _is_complete(name)
        ]

    def add(self, feed: str, source: Path) -> None:
        """Copy a local file into the feed's folder, so that it appears there whole or not at all."""
        target = self._free(PurePosixPath(self._root) / feed / source.name, sha256=sha256_of(source))
        aside = str(target.with_name(f".{target.name}.tmp"))
        self._fs.makedirs(str(target.parent), exist_ok=True)
        self._fs.put_file(str(source), aside)
        self._move(aside, str(target))

    @contextmanager
    def local_copy(self, file: LandedFile) -> Iterator[LocalCopy]:
        """The file on this machine for the block: itself when it is local, a temporary copy otherwise.

        Raises OSError when it is gone or cannot be read.
        """
        before = self._state(file)

        def is_current() -> bool:
            try:
                return self._state(file) == before
            except FileNotFoundError:
                return False

        if self._is_local:
            yield LocalCopy(Path(file.path), is_current)
            return
        with tempfile.TemporaryDirectory(prefix="pramaan-") as folder:
            local = Path(folder) / "file"
            local = local.with_suffix("".join(PurePosixPath(file.name).suffixes[-2:]).lower())
            with self._fs.open(file.path, "rb") as remote, local.open("wb") as copy:
                shutil.copyfileobj(remote, copy, 1 << 20)
            yield LocalCopy(local, is_current)

    def _regular(self, path: Path) -> os.stat_result:
        """A link could lead to any file that we may read, and a device never ends: neither is a feed."""
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or not path.parent.resolve().is_relative_to(
            Path(self._root).resolve()
        ):
            raise OSError(errno.EINVAL, "it is no regular file of the landing folder, but a link or a device")
        return status

    def _state(self, file: LandedFile) -> tuple[object, ...]:
        if self._is_local:
            status = self._regular(Path(file.path))
            return (status.st_ino, status.st_size, status.st_mtime_ns)
        self._fs.invalidate_cache()
        info = self._fs.info(file.path)
        return tuple(str(info.get(key)) for key in ("size", "mtime", "created", "ETag", "LastModified"))

    def put_away(self, file: LandedFile, *, sha256: str, folder: str) -> None:
        """Move a file whose fate is recorded to `<landing>/<folder>/<feed>/`; safe to repeat.

        Raises OSError when it cannot be moved; the file is then where it was.
        """
        target = self._free(PurePosixPath(self._root) / folder / file.feed / file.name, sha256=sha256)
        self._fs.makedirs(str(target.parent), exist_ok=True)
        self._move(file.path, str(target))

    def _move(self, source: str, target: str) -> None:
        """Move one file so that the target is never seen half written."""
        if not self._is_local:
            # One by one: fsspec's mv() takes the brackets of a file's name for a pattern.
            self._fs.cp_file(source, target)
            self._fs.rm_file(source)
            return
        try:
            Path(source).rename(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            aside = Path(target).with_name(f".{sha256_of(Path(source))[:12]}.tmp")
            try:
                shutil.copy2(source, aside)
                aside.rename(target)
            finally:
                aside.unlink(missing_ok=True)
            Path(source).unlink()

    def _free(self, target: PurePosixPath, *, sha256: str) -> PurePosixPath:
        """The address itself or, where something lies already, one beside it named by the content hash."""
        suffixes = "".join(target.suffixes)
        stem = target.name.removesuffix(suffixes)
        candidates = (f"{stem}.{sha256[:12]}{f'-{number}' if number else ''}{suffixes}" for number in count())
        while self._fs.exists(str(target)):
            target = target.with_name(next(candidates))
        return target


def _is_complete(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return not any(part.startswith(("_", ".")) for part in parts) and not name.endswith(".tmp")


def sha256_of(path: Path) -> str:
    """The file's SHA-256, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
