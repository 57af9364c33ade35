"""The texts that a portal shows: `/v1/labels`."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from pramaan.localisation import LANGUAGES, labels_in
from pramaan.web.problems import problem_responses
from pramaan.web.request_models import IdInPath

__all__ = ["router"]

router = APIRouter(prefix="/v1/labels", tags=["labels"], responses=problem_responses(401, 404, 422, 503))


class LabelsBody(BaseModel):
    """Texts by their stable keys, in a language, and its writing direction."""

    language: str
    direction: Literal["ltr", "rtl"]
    labels: dict[str, str]


@router.get("/{language}")
def labels(language: IdInPath) -> LabelsBody:
    """The texts of the certificate button, and of a portal that is offline or cannot get a certificate."""
    texts = labels_in(language)
    return LabelsBody(language=language, direction=LANGUAGES[language].direction, labels=texts)
