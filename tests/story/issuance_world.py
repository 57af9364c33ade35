"""A world in which certificates are earned and issued, and in which nothing is pretended: files land, batches
run, operators ask the registry, real PDFs come out.
"""

import hashlib
import io
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pypdfium2
from PIL import Image, ImageDraw
from psycopg.rows import class_row, dict_row

from feeds.feed_files import file_bytes
from pramaan.bench.registry_rows import unguarded_registry
from pramaan.certificates.issue import ChunkResult
from pramaan.database.connect import Connection, pipeline_lock
from pramaan.errors import StoreError
from pramaan.feeds.landing import Landing
from pramaan.feeds.load import FileLoaded
from pramaan.lifecycle import revocation
from pramaan.lifecycle.issuing import make_due
from pramaan.pipeline import Decided, Pipeline
from pramaan.registry import attachment_changes
from pramaan.registry.attachments import Attachment, Criteria
from pramaan.registry.bundled_templates import kept_template
from pramaan.registry.issuers import Issuer, IssuerVersion, record_issuer, set_signature
from pramaan.settings import Settings
from pramaan.signatures.images import Signature, check_signature
from worlds import TESTER, database_url, store_files, store_root

__all__ = ["ISSUERS", "Recorded", "Row", "World", "blocked", "signature_number_in"]

Row = Mapping[str, Any]

ISSUERS = ("board", "council", "other-board")
"""The first two of tenant t, the last of tenant s."""

_KEPT = {
    "alembic_version",
    "ops.deployments",
    "ops.rule_statements",
    "registry.changes",  # only ever added to
    "registry.printable_code_points",
    "registry.template_versions",
}
_WIDTH_PX = 60


@cache
def signature(number: int) -> Signature:
    """The number-th signature: as wide as nobody else's."""
    width = _WIDTH_PX + number
    picture = Image.new("RGB", (width, 40), "white")
    ImageDraw.Draw(picture).line([(2, 2 + number % 30), (width - 3, 37)], fill=(20, 20, 120), width=3)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return check_signature(out.getvalue())


def signature_number_in(pdf: bytes) -> int:
    """Whose signature is printed on the page: the pixels are looked at, not what anybody says."""
    with pypdfium2.PdfDocument(pdf) as document:
        pictures = [
            found.get_bitmap().to_pil().convert("RGB")
            for found in document[0].get_objects(max_depth=20)
            if isinstance(found, pypdfium2.PdfImage)
        ]
    (picture,) = pictures
    number = picture.width - _WIDTH_PX
    kept = Image.open(io.BytesIO(signature(number).content)).convert("RGB")
    assert picture.tobytes() == kept.tobytes()
    return number


@dataclass(frozen=True, slots=True)
class Recorded:
    """A certificate as the registry has it."""

    certificate_id: str
    user_id: str
    course_id: str
    batch_id: str
    attachment_id: UUID
    recipient_name: str
    completed_at: datetime
    status: str
    error_class: str | None
    pdf_path: str | None
    pdf_sha256: str | None
    pdf_bytes: int | None
    render_input: dict[str, str | None]
    store: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.user_id, self.course_id, self.batch_id

    @property
    def pdf(self) -> bytes:
        """The file that the registry names."""
        assert self.pdf_path is not None
        return (Path(self.store) / self.pdf_path).read_bytes()


class World:
    """An empty warehouse, registry, landing folder and store, with three issuers, each with a signature."""

    def __init__(self, settings: Settings, connection: Connection, folder: Path) -> None:
        places = {"landing": f"file://{folder}/landing", "store": f"file://{folder}/store"}
        self.settings = settings.model_copy(update=places)
        self.connection = connection
        self.pipeline = Pipeline(self.settings, url=database_url(settings))
        self.folder = folder
        folder.mkdir(parents=True)
        self._file_numbers = count()
        self._signature_numbers = count(1)
        self._empty()
        for issuer_id in ISSUERS:
            self.add_issuer(issuer_id)

    def _empty(self) -> None:
        names = self.connection.execute(
            "select schemaname || '.' || tablename from pg_tables "
            "where schemaname in ('raw', 'ops', 'registry') "
            "or schemaname = 'marts' and tablename in ('fct_completions', 'fct_certificate_decisions')"
        ).fetchall()
        emptied = {str(name) for (name,) in names} - _KEPT
        with unguarded_registry(self.connection):
            self.connection.execute(f"truncate {', '.join(sorted(emptied))}")  # type: ignore[arg-type]

    # What operators do

    def add_issuer(self, issuer_id: str) -> None:
        """An issuer of its tenant, with a signatory and a signature of its own."""
        tenant_id = "s" if issuer_id.startswith("other") else "t"
        record_issuer(
            self.connection,
            Issuer(
                issuer_id,
                tenant_id,
                f"The {issuer_id.capitalize()}",
                signatory_name="Dr Rao",
                signatory_designation="Registrar",
                signature=signature(next(self._signature_numbers)),
            ),
            by=TESTER,
        )

    def signature_of(self, issuer_id: str) -> int:
        """The number of the signature that the issuer has now."""
        row = self.connection.execute(
            "select signature_sha256 from registry.issuer_versions where issuer_id = %s "
            "order by version desc limit 1",
            (issuer_id,),
        ).fetchone()
        return next(number for number in count(1) if row == (signature(number).sha256,))

    def attach(
        self,
        course_id: str = "c",
        *,
        since: datetime | None = None,
        template_id: str = "classic",
        issuer_id: str = "board",
        criteria: Criteria | None = None,
    ) -> Attachment:
        """Assert a certificate from `since` or now on."""
        return attachment_changes.attach(
            self.connection,
            course_id,
            template=_template(template_id),
            issuer_id=issuer_id,
            criteria=criteria or Criteria(),
            valid_from=since,
            by=TESTER,
            reason="import of history" if since else None,
        )

    def replace(
        self,
        course_id: str = "c",
        *,
        template_id: str = "modern",
        issuer_id: str = "council",
        criteria: Criteria | None = None,
    ) -> Attachment:
        """Replace the course's certificate from now on."""
        return attachment_changes.replace(
            self.connection,
            course_id,
            template=_template(template_id),
            issuer_id=issuer_id,
            criteria=criteria or Criteria(),
            by=TESTER,
        )

    def detach(self, course_id: str = "c", *, at: datetime | None = None) -> Attachment:
        """End the course's certificate at an instant or now."""
        return attachment_changes.detach(self.connection, course_id, valid_to=at, by=TESTER)

    def sign_anew(self, issuer_id: str = "board") -> IssuerVersion:
        """Give the issuer a signature that nobody had before."""
        drawn = signature(next(self._signature_numbers))
        return set_signature(self.connection, issuer_id, drawn, by=TESTER)

    def revoke(self, certificate_id: str) -> None:
        """Revoke an issued certificate."""
        revocation.revoke(self.connection, certificate_id, reason="wrong person", by=TESTER)

    # What the pipeline does

    def land(self, facts: Mapping[str, Iterable[Row]], *, fmt: str = "jsonl") -> None:
        """A file for each feed that has rows."""
        for feed, rows in facts.items():
            if rows := list(rows):
                path = self.folder / f"{next(self._file_numbers)}.{fmt}"
                path.write_bytes(file_bytes(feed, rows, fmt))
                Landing(self.settings.landing_url).add(feed, path)

    def land_all_files_again(self) -> int:
        """Every file that was loaded, byte by byte; returns how many."""
        root = self.folder / "landing"
        loaded = [path for path in sorted((root / "_loaded").rglob("*")) if path.is_file()]
        for path in loaded:
            shutil.copy(path, root / path.parent.name / f"again-{path.name}")
        return len(loaded)

    def load(self) -> list[FileLoaded]:
        """Load what waits; every row of it must be a good one."""
        with pipeline_lock(self.connection, wait_seconds=10):
            files = self.pipeline.load(self.connection)
        refused = self.connection.execute("select rule, message, raw_row from ops.quarantine").fetchall()
        assert not refused, refused
        return files

    def decide(self) -> Decided:
        """Decide what changed."""
        with pipeline_lock(self.connection, wait_seconds=10):
            return self.pipeline.decide(self.connection)

    def batch(self, facts: Mapping[str, Iterable[Row]] | None = None, *, fmt: str = "jsonl") -> Decided:
        """One batch up to the pending certificates."""
        self.land(facts or {}, fmt=fmt)
        self.load()
        return self.decide()

    def issue(self, *, limit: int = 1000) -> ChunkResult:
        """Issue what waits, also what waits for a later attempt, as a retry at that time would."""
        make_due(self.connection)
        return self.pipeline.issue_chunk(limit=limit, run_id=None)

    def fail_to_store(self) -> None:
        """Try to issue while the store is away."""
        with blocked(self.folder / "store"), suppress(StoreError):
            assert self.issue().issued == 0

    # What came of it

    def recorded(self) -> list[Recorded]:
        """Every certificate in the registry, by key."""
        with self.connection.cursor(row_factory=class_row(Recorded)) as cursor:
            return cursor.execute(
                "select certificate_id, user_id, course_id, batch_id, attachment_id, recipient_name, "
                "completed_at, status, error_class, pdf_path, pdf_sha256, pdf_bytes, render_input, "
                "%s as store from registry.certificates order by user_id, course_id, batch_id, sequence",
                (str(store_root(self.settings)),),
            ).fetchall()

    def decided(self) -> dict[tuple[str, str, str], tuple[datetime, str]]:
        """Completion and decision by key."""
        found = self.connection.execute(
            "select user_id, course_id, batch_id, completed_at, decision from marts.fct_certificate_decisions"
        ).fetchall()
        return {(u, c, b): (at, decision) for u, c, b, at, decision in found}  # type: ignore[misc]

    def everything(self) -> tuple[list[dict[str, object]], dict[Path, bytes]]:
        """The whole ledger and the whole store."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute("select * from registry.certificates order by certificate_id").fetchall()
        return rows, {path: path.read_bytes() for path in store_files(self.settings)}

    def assert_books_balance(self) -> None:
        """The ledger and the store say the same, and nobody has two live certificates for one completion."""
        recorded = self.recorded()
        with_file = [each for each in recorded if each.status in {"issued", "revoked", "superseded"}]
        assert all((each.pdf_path is None) == (each not in with_file) for each in recorded)
        root = store_root(self.settings)
        stored = {str(path.relative_to(root)): path.read_bytes() for path in store_files(self.settings)}
        assert {path: (hashlib.sha256(pdf).hexdigest(), len(pdf)) for path, pdf in stored.items()} == {
            each.pdf_path: (each.pdf_sha256, each.pdf_bytes) for each in with_file
        }
        live = [each.key for each in recorded if each.status not in {"superseded", "revoked"}]
        assert len(live) == len(set(live))
        assert all(each.recipient_name == each.render_input["recipient_name"] for each in recorded)


@contextmanager
def blocked(path: Path) -> Iterator[None]:
    """A file stands where a folder should be, so that nobody can write there, not even root."""
    aside = path.with_name(f"{path.name}.aside")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.rename(aside)
    path.write_text("no folder can be made here")
    try:
        yield
    finally:
        path.unlink()
        if aside.exists():
            aside.rename(path)


@cache
def _template(template_id: str) -> Any:
    return kept_template(template_id)
