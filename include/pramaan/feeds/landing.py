"""The landing folder: which files wait, reading one, and moving it out of the way once its fate is recorded.

Works on any fsspec URL. Nothing is ever deleted or overwritten: a file moves to `_loaded/<feed>/` or `_quarantined/<feed>/`.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import fsspec

from pramaan.errors import FeedError
from pramaan.feeds.spec import FEEDS

__all__ = ["Landing", "LandedFile", "sha256_of"]


@dataclass(frozen=True, slots=True)
class LandedFile:
    """A complete file in the landing folder. `path` is the filesystem's own, `name` relative to the feed's folder."""

    feed: str
    name: str
    path: str
    uri: str


class Landing:
    """The landing folder at an fsspec URL."""

    def __init__(self, url: str) -> None:
        self._fs, root = fsspec.core.url_to_fs(url)
        self._root = root.rstrip("/")
        self._is_local = isinstance(self._fs, fsspec.implementations.local.LocalFileSystem)

    def waiting(self) -> list[LandedFile]:
        """The complete files, users first and telemetry last, oldest name first."""
        return [file for feed in FEEDS for file in self._files(feed)]

    def _files(self, feed: str) -> list[LandedFile]:
        folder = f"{self._root}/{feed}"
        self._fs.invalidate_cache(folder)
        if not self._fs.isdir(folder):
            return []
        names = sorted(str(PurePosixPath(path).relative_to(folder)) for path in self._fs.find(folder))
        return [
            LandedFile(feed, name, f"{folder}/{name}", self._fs.unstrip_protocol(f"{folder}/{name}"))
            for name in names
            if _is_complete(name)
        ]

    def add(self, feed: str, source: Path) -> None:
        """Copy a local file into the feed's folder, so that it appears there whole or not at all."""
        target = self._free(PurePosixPath(self._root) / feed / source.name, sha256=sha256_of(source))
        aside = str(target.with_name(f".{target.name}.tmp"))
        self._fs.makedirs(str(target.parent), exist_ok=True)
        self._fs.put_file(str(source), aside)
        self._fs.mv(aside, str(target))

    @contextmanager
    def local_copy(self, file: LandedFile) -> Iterator[Path]:
        """The file as a local path for the block: itself when it is local, a temporary copy otherwise.

        Raises FeedError when it was written to while the block read it: it waits for the next run.
        """
        before = self._fs.info(file.path)
        if self._is_local:
            yield Path(file.path)
        else:
            with tempfile.TemporaryDirectory(prefix="pramaan-") as folder:
                local = Path(folder) / PurePosixPath(file.name).name
                with self._fs.open(file.path, "rb") as remote, local.open("wb") as copy:
                    shutil.copyfileobj(remote, copy, 1 << 20)
                yield local
        after = self._fs.info(file.path)
        if any(before.get(key) != after.get(key) for key in ("size", "mtime", "ETag")):
            raise FeedError("still_being_written", f"{file.feed}/{file.name} changed while it was read")

    def put_away(self, file: LandedFile, *, sha256: str, folder: str) -> None:
        """Move a file whose fate is recorded to `<landing>/<folder>/<feed>/`; safe to repeat."""
        target = self._free(PurePosixPath(self._root) / folder / file.feed / file.name, sha256=sha256)
        self._fs.makedirs(str(target.parent), exist_ok=True)
        self._fs.mv(file.path, str(target))

    def _free(self, target: PurePosixPath, *, sha256: str) -> PurePosixPath:
        """The address itself, or, where something lies there already, the same with a part of the content hash."""
        if not self._fs.exists(str(target)):
            return target
        suffixes = "".join(target.suffixes)
        return target.with_name(f"{target.name.removesuffix(suffixes)}.{sha256[:12]}{suffixes}")


def _is_complete(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return not any(part.startswith(("_", ".")) for part in parts) and not name.endswith(".tmp")


def sha256_of(path: Path) -> str:
    """The file's SHA-256, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
