"""Certificate templates: a folder of HTML, CSS, pictures and `template.yml`, versioned by its content.

`template.yml` says the title, the fields with a sample of each, the areas that values are printed in, and the
fixed texts in each language. A template is read whole, once; nothing of it is looked up on disk again, so
that it can be kept by its hash and used for ever.
"""

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pramaan.certificate_fields import CERTIFICATE_FIELDS
from pramaan.errors import TemplateError
from pramaan.localisation import LANGUAGES, SOURCE_LANGUAGE
from pramaan.rendering.located_yaml import Located, YamlProblem, located_yaml

__all__ = [
    "CONTRACT_FIELDS",
    "QR_CODE_ID",
    "REQUIRED_FILES",
    "Area",
    "Template",
    "TemplateField",
    "description_problems",
    "list_templates",
    "load_template",
    "read_folder",
    "template_of",
    "unpack_template",
]

CONTRACT_FIELDS: Final[tuple[str, ...]] = tuple(
    field.name for field in CERTIFICATE_FIELDS if field.is_declared
)
"""The fields that every template declares, by the names they have everywhere."""

QR_CODE_ID: Final = "qr_code"
"""The id of the empty block that the QR code fills, quiet zone included."""

LARGEST_TEMPLATE_BYTES: Final = 5_000_000
_MOST_FILES: Final = 200
REQUIRED_FILES: Final = ("template.yml", "certificate.html", "certificate.css")
_TEMPLATE_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_FILE_NAME: Final = re.compile(r"(?:[\w@ -][\w.@ -]*/){0,8}[\w@ -][\w.@ -]*", re.ASCII)
_ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""What a field, an area or a text is called."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TemplateField(_Strict):
    """A text that the template prints: a sample for previews, and whether it may be left out."""

    sample: str
    optional: bool = False


class Area(_Strict):
    """A box of fixed size that a text is made to fit: smaller by steps, then on more lines.

    `sizes_pt` falls; the last one is the floor. There, and at any size from `wrap_from_pt` down, the text may
    take `lines` lines; else one. `align` is where it stands in a box that is higher than the text.
    """

    sizes_pt: Annotated[
        tuple[Annotated[float, Field(ge=3, le=200)], ...], Field(min_length=1, max_length=24, strict=False)
    ]
    lines: Annotated[int, Field(ge=1, le=6)] = 1
    wrap_from_pt: float | None = None
    align: Literal["top", "middle", "bottom"] = "top"

    @model_validator(mode="after")
    def _sizes_fall(self) -> Self:
        if list(self.sizes_pt) != sorted(set(self.sizes_pt), reverse=True):
            raise ValueError("sizes_pt must fall from the first to the last")
        return self

    def lines_at(self, size_pt: float) -> int:
        """How many lines the text may take at this size."""
        wraps = size_pt == self.sizes_pt[-1] or (
            self.wrap_from_pt is not None and size_pt <= self.wrap_from_pt
        )
        return self.lines if wraps else 1


class _TemplateFile(_Strict):
    title: Annotated[str, Field(min_length=1, max_length=200)]
    fields: Annotated[dict[Name, TemplateField], Field(max_length=60)]
    areas: Annotated[dict[Name, Area], Field(max_length=60)]
    texts: Annotated[
        dict[Name, dict[str, Annotated[str, Field(max_length=1000)]]], Field(max_length=100)
    ] = {}


@dataclass(frozen=True, slots=True)
class Template:
    """A template, whole and checked. `version` is the SHA-256 of its sorted file names and bytes."""

    template_id: str
    version: str
    title: str
    files: Mapping[str, bytes]
    fields: Mapping[str, TemplateField]
    areas: Mapping[str, Area]
    texts: Mapping[str, Mapping[str, str]]
    """Fixed texts by name, then by language."""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that every fixed text is there in; English always."""
        spoken = [set(by_language) for by_language in self.texts.values()]
        return tuple(sorted(set.intersection(*spoken) if spoken else {SOURCE_LANGUAGE}))

    def language_for(self, tag: str) -> str:
        """The language of a certificate's fixed texts: the tag's if all are there in it, else English."""
        code = tag.partition("-")[0].lower()
        return code if code in self.languages else SOURCE_LANGUAGE

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
    folder = folder.absolute()
    return template_of(folder.name, read_folder(folder))


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of a template by their path inside it; hidden files are no part of it. Nothing is checked but
    that they are few, small, and in the folder itself.

    Raises TemplateError.
    """
    if not folder.is_dir():
        raise TemplateError(f"{folder}: there is no such template folder")
    paths = [path for path in folder.rglob("*") if not _is_hidden(path, root=folder)]
    for path in paths:
        if path.is_symlink():
            raise TemplateError(
                f"{folder.name}/{path.relative_to(folder)}: this is a link; a template holds its files itself"
            )
    files = [path for path in paths if path.is_file()]
    if len(files) > _MOST_FILES:
        raise TemplateError(f"{folder.name}: {len(files)} files; a template may have {_MOST_FILES}")
    # Before it is read: a folder may hold a film.
    _require_small(folder.name, sum(path.stat().st_size for path in files))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def unpack_template(template_id: str, data: bytes) -> Template:
    """Read and check what `Template.pack` wrote.

    Raises TemplateError when `data` is no such archive, or holds no good template.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _require_small(template_id, sum(entry.file_size for entry in archive.infolist()))
            files = {name: archive.read(name) for name in archive.namelist()}
    except zipfile.BadZipFile as error:
        raise TemplateError(f"{template_id}: the packed template cannot be read: {error}") from error
    return template_of(template_id, files)


def list_templates(root: Path) -> tuple[str, ...]:
    """The ids of the template folders under `root`, sorted; nothing in them is checked."""
    return tuple(sorted(path.parent.name for path in root.glob("*/template.yml")))


def _is_hidden(path: Path, *, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _require_small(template_id: str, size_bytes: int) -> None:
    if size_bytes > LARGEST_TEMPLATE_BYTES:
        raise TemplateError(
            f"{template_id}: {size_bytes} bytes; a template may have {LARGEST_TEMPLATE_BYTES}"
        )


def template_of(template_id: str, files: Mapping[str, bytes]) -> Template:
    """The template that these files are, by their path inside it. Raises TemplateError as `load_template`."""
    if not _TEMPLATE_ID.fullmatch(template_id):
        raise TemplateError(f"{template_id!r}: a template's name is lower-case letters, digits, - and _")
    for name in REQUIRED_FILES:
        if name not in files:
            raise TemplateError(f"{template_id}/{name}: the file is missing")
    for name in files:
        if not _FILE_NAME.fullmatch(name):
            raise TemplateError(
                f"{template_id}/{name!r}: a file's name is letters, digits, spaces, @, . - and _"
            )
    description, problems = _described(files["template.yml"])
    if description is None or problems:
        where = f"{template_id}/template.yml"
        raise TemplateError(
            "\n".join(
                f"{where}, line {line}: {told}" if line else f"{where}: {told}" for line, told in problems
            )
        )
    return Template(
        template_id=template_id,
        version=_content_hash(files),
        title=description.title,
        files=MappingProxyType(dict(sorted(files.items()))),
        fields=MappingProxyType(description.fields),
        areas=MappingProxyType(description.areas),
        texts=MappingProxyType(description.texts),
    )


Problem = tuple[int | None, str]
"""A line, from 1, and what is wrong there."""


def description_problems(text: bytes) -> list[Problem]:
    """Everything that is wrong with a `template.yml`; nothing if it can be used."""
    return _described(text)[1]


def _described(text: bytes) -> tuple[_TemplateFile | None, list[Problem]]:
    try:
        document = located_yaml(text)
    except YamlProblem as problem:
        return None, [(problem.line, str(problem))]
    problems = [
        (document.line_of(*path), f"{'.'.join(map(str, path))}: this key stands here twice")
        for path in document.repeated
    ]
    try:
        description = _TemplateFile.model_validate(document.value)
    except ValidationError as error:
        for wrong in error.errors():
            where = ".".join(map(str, wrong["loc"]))
            problems.append(
                (document.line_of(*wrong["loc"]), f"{where}: {wrong['msg']}" if where else wrong["msg"])
            )
        return None, problems
    return description, [*problems, *_contract_problems(description, document)]


def _contract_problems(description: _TemplateFile, document: Located) -> list[Problem]:
    problems: list[Problem] = []
    if missing := sorted(set(CONTRACT_FIELDS) - set(description.fields)):
        problems.append((document.line_of("fields"), f"fields lacks {', '.join(missing)}"))
    for name, by_language in description.texts.items():
        if SOURCE_LANGUAGE not in by_language:
            problems.append(
                (document.line_of("texts", name), f"texts has no English ({SOURCE_LANGUAGE}) for {name}")
            )
        problems += [
            (
                document.line_of("texts", name, language),
                f"texts.{name}: {language!r} is none of the languages there are: {', '.join(LANGUAGES)}",
            )
            for language in by_language
            if language not in LANGUAGES
        ]
    return problems


def _content_hash(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        # The lengths keep two folders apart whose names and bytes run together to the same text.
        digest.update(f"{len(name.encode())}:{name}:{len(files[name])}:".encode() + files[name])
    return digest.hexdigest()
