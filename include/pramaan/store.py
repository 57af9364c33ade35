"""The object store of PDFs and reports: whole objects appear at their address, or nothing does.

Any fsspec URL. On a local disk a file is written aside, synced and renamed, and its folder is synced, too; an
object store's own put is atomic. What was put survives a power loss.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pramaan.errors import SettingsError, StoreError

__all__ = ["Store"]

_WAIT_AT_ONCE: Final = 8


class Store:
    """The store at an fsspec URL. Raises SettingsError when no driver for it is installed."""

    def __init__(self, url: str) -> None:
        try:
            self._fs, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise SettingsError(f"PRAMAAN_STORE={url} cannot be opened: {error}") from error
        self._root = root.rstrip("/")
        self._is_local = isinstance(self._fs, LocalFileSystem)

    def address(self, path: str) -> str:
        """Where the object at `path` lies, for people to look: a file's path, or a URI. Never to be kept: a
        store may move.
        """
        target = f"{self._root}/{path}"
        return target if self._is_local else str(self._fs.unstrip_protocol(target))

    def put(self, path: str, content: bytes) -> None:
        """Store the object at `path`, replacing what is there. Safe to repeat.

        Raises StoreError when the store refuses, is full or cannot be reached; nothing is left half-written
        at `path`.
        """
        (refused,) = self.put_all([(path, content)])
        if refused:
            raise refused

    def put_all(self, objects: Sequence[tuple[str, bytes]]) -> list[StoreError | None]:
        """Store several objects, as `put` does; returns what kept each from being stored, in order, if
        anything did.

        On a local disk all are written before the disk is waited for, once for many of them.
        """
        targets = [f"{self._root}/{path}" for path, _ in objects]
        contents = [content for _, content in objects]
        if self._is_local:
            writes = [partial(Path.write_bytes, data=content) for content in contents]
            ends = _write_aside_then_rename([Path(target) for target in targets], writes)
        else:
            ends = [
                _end_of(partial(self._fs.pipe_file, target, content))
                for target, content in zip(targets, contents, strict=True)
            ]
        return [
            None if error is None else _refused(path, error)
            for (path, _), error in zip(objects, ends, strict=True)
        ]

    def put_file(self, path: str, source: Path) -> None:
        """Store a copy of a file at `path`, as `put` does, without holding it in memory.

        Raises StoreError as `put` does.
        """
        target = f"{self._root}/{path}"
        if self._is_local:
            (error,) = _write_aside_then_rename([Path(target)], [partial(shutil.copyfile, source)])
        else:
            error = _end_of(partial(self._fs.put_file, str(source), target))
        if error is not None:
            raise _refused(path, error)

    def get(self, path: str) -> bytes:
        """The object at `path`. Raises StoreError when it cannot be read."""
        try:
            return bytes(self._fs.cat_file(f"{self._root}/{path}"))
        except Exception as error:
            raise StoreError(f"the store cannot read {path}: {_reason(error)}") from error

    def open(self, path: str) -> BinaryIO:
        """The object at `path`, to be read in parts and closed. Raises StoreError when it cannot be read."""
        try:
            return cast(BinaryIO, self._fs.open(f"{self._root}/{path}"))
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


def _refused(path: str, error: Exception) -> StoreError:
    refused = StoreError(
        f"the store cannot write {path}: {_reason(error)}; see that it is reachable, writable and has room, "
        "then run again"
    )
    refused.__cause__ = error
    return refused


def _end_of(step: Callable[[], object]) -> Exception | None:
    """What a step raised, if it did."""
    try:
        step()
    except Exception as error:  # noqa: BLE001 - drivers raise what their client libraries raise
        return error
    return None


def _write_aside_then_rename(
    targets: Sequence[Path], writes: Sequence[Callable[[Path], object]]
) -> list[Exception | None]:
    """In steps, each for all files that went through the one before; returns what stopped each file, if any.

    `writes` write each target's content to the path they are given. Several wait for the disk at a time: it
    then writes its journal once for all of them.
    """
    asides = [target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp") for target in targets]
    ends: list[Exception | None] = [None] * len(targets)

    def go_on(ends_of_step: Iterable[Exception | None], indices: Sequence[int]) -> list[int]:
        for index, end in zip(indices, ends_of_step, strict=True):
            ends[index] = end
        return [index for index in indices if ends[index] is None]

    def write(index: int) -> None:
        _make_folder(targets[index].parent)
        writes[index](asides[index])

    try:
        with ThreadPoolExecutor(min(_WAIT_AT_ONCE, len(targets) or 1)) as pool:
            going = list(range(len(targets)))
            going = go_on([_end_of(partial(write, i)) for i in going], going)
            going = go_on(pool.map(lambda i: _end_of(partial(_sync, asides[i])), going), going)
            going = go_on([_end_of(partial(asides[i].replace, targets[i])) for i in going], going)
            folders = sorted({targets[index].parent for index in going})
            unsynced = dict(
                zip(folders, pool.map(lambda folder: _end_of(partial(_sync, folder)), folders), strict=True)
            )
            go_on([unsynced[targets[index].parent] for index in going], going)
    finally:
        for aside in asides:
            # Renamed, but for those that something stopped; what stopped them is said, not this.
            _end_of(partial(aside.unlink, missing_ok=True))
    return ends


def _make_folder(folder: Path) -> None:
    """With those above it, each written into the one that it is in."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    """Wait until a file, or a folder, is on the disk: a renamed file survives a power loss only with its
    folder.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
