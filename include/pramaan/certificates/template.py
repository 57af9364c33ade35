"""Certificate templates: a folder of HTML, CSS, images and `template.yml`, versioned by its content.

`template.yml` says the title, the fields with a sample of each, and how far long texts may shrink. A template
is read whole, once; nothing of it is looked up on disk again, so that it can be kept by its hash and used for
ever.
"""

import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pramaan.errors import TemplateError

__all__ = [
    "CONTRACT_FIELDS",
    "Fit",
    "Template",
    "TemplateField",
    "list_templates",
    "load_template",
    "unpack_template",
]

CONTRACT_FIELDS: Final = (
    "recipient_name",
    "course_name",
    "completed_at",
    "issuer_name",
    "signatory_name",
    "signatory_designation",
    "verify_url",
    "language",
)
"""The fields that every template declares, by the names they have everywhere."""

_REQUIRED_FILES: Final = ("template.yml", "certificate.html", "certificate.css")
_TEMPLATE_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_LARGEST_TEMPLATE_BYTES: Final = 5_000_000
_ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TemplateField(_Strict):
    """A text that the template prints: a sample for previews, and whether it may be left out."""

    sample: str
    optional: bool = False


class Fit(_Strict):
    """How a text is made to fit: the first size at which it takes few enough lines within its height.

    The last size is the floor; there, and at any size from `wrap_from_pt` down, it may take `wrapped_lines`.
    """

    sizes_pt: Annotated[tuple[float, ...], Field(min_length=1, strict=False)]
    wrap_from_pt: float
    wrapped_lines: Annotated[int, Field(ge=1)] = 2
    height_mm: Annotated[float, Field(gt=0)]


class _TemplateFile(_Strict):
    title: str
    background: str | None = None
    fields: dict[str, TemplateField]
    fit: dict[str, Fit] = {}


@dataclass(frozen=True, slots=True)
class Template:
    """A template, whole and checked. `version` is the SHA-256 of its sorted file names and bytes."""

    template_id: str
    version: str
    title: str
    files: Mapping[str, bytes]
    fields: Mapping[str, TemplateField]
    fit: Mapping[str, Fit]
    background: str | None
    """The SVG under everything else: the same on every certificate, so drawn once per process."""

    def sample_fields(self) -> dict[str, str]:
        """Values for a preview, one per field."""
        return {name: field.sample for name, field in self.fields.items()}

    def pack(self) -> bytes:
        """The files as one archive, the same bytes for the same version; `unpack_template` reads it."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(self.files):
                entry = zipfile.ZipInfo(name, date_time=_ZIP_DATE)
                entry.create_system = 3
                archive.writestr(entry, self.files[name])
        return buffer.getvalue()


def load_template(folder: Path) -> Template:
    """Read and check the template in `folder`, whose name is its id; hidden files are no part of it.

    Raises TemplateError naming the file and what is wrong with it.
    """
    if not folder.is_dir():
        raise TemplateError(f"{folder}: there is no such template folder")
    paths = (path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, root=folder))
    return _template(folder.name, {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths})


def unpack_template(template_id: str, data: bytes) -> Template:
    """Read and check what `Template.pack` wrote.

    Raises TemplateError when `data` is no such archive, or holds no good template.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _LARGEST_TEMPLATE_BYTES:
                raise TemplateError(
                    f"{template_id}: the archive is larger than {_LARGEST_TEMPLATE_BYTES} bytes"
                )
            files = {name: archive.read(name) for name in archive.namelist()}
    except zipfile.BadZipFile as error:
        raise TemplateError(f"{template_id}: the packed template cannot be read: {error}") from error
    return _template(template_id, files)


def list_templates(root: Path) -> tuple[str, ...]:
    """The ids of the template folders under `root`, sorted; nothing in them is checked."""
    return tuple(sorted(path.parent.name for path in root.glob("*/template.yml")))


def _is_hidden(path: Path, *, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _template(template_id: str, files: dict[str, bytes]) -> Template:
    if not _TEMPLATE_ID.fullmatch(template_id):
        raise TemplateError(f"{template_id!r}: a template's name is lower-case letters, digits, - and _")
    for name in _REQUIRED_FILES:
        if name not in files:
            raise TemplateError(f"{template_id}/{name}: the file is missing")
    if (size := sum(map(len, files.values()))) > _LARGEST_TEMPLATE_BYTES:
        raise TemplateError(f"{template_id}: {size} bytes; a template may have {_LARGEST_TEMPLATE_BYTES}")
    description = _description(f"{template_id}/template.yml", files)
    return Template(
        template_id=template_id,
        version=_content_hash(files),
        title=description.title,
        files=MappingProxyType(dict(sorted(files.items()))),
        fields=MappingProxyType(description.fields),
        fit=MappingProxyType(description.fit),
        background=description.background,
    )


def _description(where: str, files: Mapping[str, bytes]) -> _TemplateFile:
    try:
        description = _TemplateFile.model_validate(yaml.safe_load(files["template.yml"]))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TemplateError(f"{where}: this is no YAML: {error}") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise TemplateError(f"{where}: {problems}") from error
    _require(where, "fields lacks", CONTRACT_FIELDS, known=description.fields)
    _require(where, "fit names what is no field:", description.fit, known=description.fields)
    if description.background is not None:
        _require(where, "background names what is no file:", [description.background], known=files)
    return description


def _require(where: str, complaint: str, names: Iterable[str], *, known: Mapping[str, object]) -> None:
    if missing := sorted(set(names) - set(known)):
        raise TemplateError(f"{where}: {complaint} {', '.join(missing)}")


def _content_hash(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        # The lengths keep two folders apart whose names and bytes run together to the same text.
        digest.update(f"{len(name.encode())}:{name}:{len(files[name])}:".encode() + files[name])
    return digest.hexdigest()
