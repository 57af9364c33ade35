"""The small template of templates/certificates/README.md, as a designer would copy it."""

import re
from collections.abc import Mapping
from pathlib import Path

from pramaan.settings import PROJECT_ROOT

HOW_TO = PROJECT_ROOT / "templates" / "certificates" / "README.md"

_FILE = re.compile(r"^`(?P<name>[\w.]+)`:\n\n```\w+\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)


def plain_files() -> dict[str, bytes]:
    """Its files by name."""
    return {found["name"]: found["text"].encode() for found in _FILE.finditer(HOW_TO.read_text())}


def write_template(
    folder: Path, changes: Mapping[str, bytes | str] = {}, **replaced: tuple[str, str]
) -> Path:
    """Write it to `folder`, with whole files of `changes` instead, and one text in a file by another."""
    files: dict[str, bytes | str] = {**plain_files(), **changes}
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        content = data if isinstance(data, bytes) else data.encode()
        if name == f"certificate.{name.rpartition('.')[2]}" and name.rpartition(".")[2] in replaced:
            old, new = (text.encode() for text in replaced[name.rpartition(".")[2]])
            assert old in content, (name, old)
            content = content.replace(old, new, 1)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
