"""The one registry of fields: what is printed is declared, has a source, and is known to be optional."""

import importlib
from typing import get_args

import pytest

from pramaan import certificate_fields
from pramaan.certificate_fields import CERTIFICATE_FIELDS, FIELD_NAMES, FieldName
from pramaan.lifecycle import frozen
from pramaan.registry import templates


def test_the_registry_has_each_name_once() -> None:
    assert [field.name for field in CERTIFICATE_FIELDS] == list(FIELD_NAMES) == list(get_args(FieldName))


def test_a_field_without_a_source_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as changed:
        changed.setattr(certificate_fields, "FIELD_NAMES", (*FIELD_NAMES, "grade"))
        with pytest.raises(LookupError, match="without a source: grade"):
            importlib.reload(frozen)
    importlib.reload(frozen)


def test_what_an_issuer_may_leave_out_are_the_optional_fields() -> None:
    assert list(templates._DETAILS) == [field.name for field in CERTIFICATE_FIELDS if field.is_optional]
