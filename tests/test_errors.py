"""Errors come out of a worker process as they were raised."""

import pickle

import pytest

from pramaan.errors import FeedError, PramaanError, RegistryError, RenderError, StoreError


@pytest.mark.parametrize(
    "error",
    [
        FeedError("unreadable", "it cannot be read"),
        RegistryError("template_not_found", "there is none"),
        RenderError("invalid_field", "not an instant"),
        StoreError("it is away"),
    ],
)
def test_an_error_survives_the_way_between_processes(error: PramaanError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
