"""The object store of PDFs and reports: an object appears at its path as a whole, or not at all.

Supports any fsspec URL. On a local disk a file is written under a temporary name, synced and renamed, and its
folder is synced, too; an object store's own put is atomic. A stored object survives a power loss.
"""

import ctypes
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pramaan.errors import SettingsError, StoreError

__all__ = ["Store"]

_WAIT_AT_ONCE: Final = 8

_SYNCED_AS_A_WHOLE: Final = 16
"""This many files or more are synced with their whole file system: syncing each by itself makes the kernel
write its journal each time, which takes twice as long as writing the file.
"""

_SYNCFS_DURABLE: Final = frozenset({0xEF53, 0x58465342, 0x9123683E})
"""ext4, XFS and Btrfs, as statfs(2) numbers them. On others, such as FUSE, syncfs(2) may promise less."""

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_WORDS_OF_STATFS: Final = 64


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
        """Returns the location of the object at `path` for people to look at: a file's path, or a URI. Never
        store it: a store may move.
        """
        target = f"{self._root}/{path}"
        return target if self._is_local else str(self._fs.unstrip_protocol(target))

    def put(self, path: str, content: bytes) -> None:
        """Store the object at `path`, replacing what is there. Idempotent.

        Raises StoreError when the store refuses, is full or cannot be reached; nothing is left half-written
        at `path`.
        """
        (refused,) = self.put_all([(path, content)])
        if refused:
            raise refused

    def put_all(self, objects: Sequence[tuple[str, bytes]]) -> list[StoreError | None]:
        """Store several objects, as `put` does; returns for each, in order, the error that kept it from being
        stored, or None.

        On a local disk all are written before the disk is synced, once for many of them.
        """
        targets = [f"{self._root}/{path}" for path, _ in objects]
        if self._is_local:
            writes = [partial(_write_new, content) for _, content in objects]
            ends = _write_aside_then_rename(targets, writes)
        else:
            ends = [
                _end_of(partial(self._fs.pipe_file, target, content))
                for target, (_, content) in zip(targets, objects, strict=True)
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
            (error,) = _write_aside_then_rename([target], [partial(shutil.copyfile, source)])
        else:
            error = _end_of(partial(self._fs.put_file, str(source), target))
        if error is not None:
            raise _refused(path, error)

    def get(self, path: str) -> bytes:
        """Returns the object at `path`. Raises StoreError when it cannot be read."""
        try:
            return bytes(self._fs.cat_file(f"{self._root}/{path}"))
        except Exception as error:
            raise StoreError(f"the store cannot read {path}: {_reason(error)}") from error

    def open(self, path: str) -> BinaryIO:
        """Open the object at `path`, to be read in parts and closed. Raises StoreError when it cannot be
        read.
        """
        try:
            return cast(BinaryIO, self._fs.open(f"{self._root}/{path}"))
        except Exception as error:
            raise StoreError(f"the store cannot read {path}: {_reason(error)}") from error

    def discard(self, path: str) -> None:
        """Remove the object at `path`, if it exists. Raises StoreError when it may still exist."""
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
    """Returns the exception that a step raised, or None."""
    try:
        step()
    except Exception as error:  # noqa: BLE001 - drivers raise what their client libraries raise
        return error
    return None


def _write_new(content: bytes, path: str) -> None:
    """Write a new file; with the system's own calls, which take half as long as `open`."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    finally:
        os.close(descriptor)


def _write_aside_then_rename(
    targets: Sequence[str], writes: Sequence[Callable[[str], object]]
) -> list[Exception | None]:
    """Write each target under a temporary name, sync it and rename it; returns the error of each file, or
    None.

    Each step runs for all files that passed the one before. `writes` write each target's content to the path
    that they are given.
    """
    # Plain strings: making a Path of each would take as long as its rename.
    parts = [target.rpartition("/") for target in targets]
    folders = [folder for folder, _, _ in parts]
    token = secrets.token_hex(8)
    asides = [f"{folder}/.{name}.{token}{index}.tmp" for index, (folder, _, name) in enumerate(parts)]
    unfinished = set(range(len(targets)))
    ends: list[Exception | None] = [None] * len(targets)

    def rename(index: int) -> None:
        os.replace(asides[index], targets[index])  # noqa: PTH105
        unfinished.discard(index)

    def go_on(ends_of_step: Iterable[Exception | None], indices: Sequence[int]) -> list[int]:
        for index, end in zip(indices, ends_of_step, strict=True):
            ends[index] = end
        return [index for index in indices if ends[index] is None]

    try:
        made = {folder: _end_of(partial(_make_folder, Path(folder))) for folder in sorted(set(folders))}
        going = go_on([made[folder] for folder in folders], range(len(targets)))
        with _disk_of([folder for folder, end in made.items() if end is None], files=len(going)) as sync:
            going = go_on([_end_of(partial(writes[i], asides[i])) for i in going], going)
            going = go_on(sync([asides[i] for i in going]), going)
            going = go_on([_end_of(partial(rename, i)) for i in going], going)
            used = sorted({folders[i] for i in going})
            synced = dict(zip(used, sync(used), strict=True))
            go_on([synced[folders[i]] for i in going], going)
    finally:
        for index in unfinished:
            # The error that stopped the file is returned, not this one.
            _end_of(partial(Path(asides[index]).unlink, missing_ok=True))
    return ends


_Sync = Callable[[Sequence[str]], list[Exception | None]]


@contextmanager
def _disk_of(folders: Collection[str], *, files: int) -> Iterator[_Sync]:
    """Yields a function that syncs files in these folders, or the folders themselves, and returns the error
    of each, or None. Many files are synced with their file systems, which are opened first: syncfs(2) reports
    the errors since then.
    """
    descriptors: dict[int, int] = {}
    whole: dict[str, int] = {}
    try:
        for folder in folders if files >= _SYNCED_AS_A_WHOLE else ():
            device = Path(folder).stat().st_dev
            if device not in descriptors:
                descriptors[device] = os.open(folder, os.O_RDONLY)
            if _is_syncfs_durable(descriptors[device]):
                whole[folder] = descriptors[device]
        yield partial(_sync_all, whole)
    finally:
        for descriptor in descriptors.values():
            os.close(descriptor)


def _sync_all(whole: Mapping[str, int], paths: Sequence[str]) -> list[Exception | None]:
    """Sync paths in folders of `whole` with their file systems when there are many; all others one by one."""
    file_systems = {path: whole.get(path, whole.get(path.rpartition("/")[0])) for path in paths}
    ends: dict[str, Exception | None] = {}
    if len(paths) >= _SYNCED_AS_A_WHOLE:
        known = {one for one in file_systems.values() if one is not None}
        synced = {one: _end_of(partial(_sync_file_system, one)) for one in known}
        ends = {path: synced[one] for path, one in file_systems.items() if one is not None}
    alone = [path for path in paths if path not in ends]
    with ThreadPoolExecutor(min(_WAIT_AT_ONCE, len(alone) or 1)) as pool:
        ends |= zip(alone, pool.map(lambda path: _end_of(partial(_sync, path)), alone), strict=True)
    return [ends[path] for path in paths]


def _is_syncfs_durable(descriptor: int) -> bool:
    words = (ctypes.c_long * _WORDS_OF_STATFS)()
    return _LIBC.fstatfs(descriptor, words) == 0 and words[0] & 0xFFFFFFFF in _SYNCFS_DURABLE


def _sync_file_system(descriptor: int) -> None:
    if _LIBC.syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _make_folder(folder: Path) -> None:
    """Make the folder and its missing parents, and sync each into its parent."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync(folder.parent)


def _sync(path: str | Path) -> None:
    """Wait until a file or a folder is on the disk: a renamed file survives a power loss only with its
    folder.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
