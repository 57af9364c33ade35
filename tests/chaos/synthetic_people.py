"""A people of learners as files of feeds, and who of them earns a certificate, by the facts alone.

Files come in waves. A learner's facts may come in several, in any order; rows come twice, and each wave holds
a row that breaks the contract. What is expected is reckoned here, from the rows written, and asks nothing of
the product's tables.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

__all__ = ["Key", "People", "Wave", "gather_people", "write_wave"]

Key = tuple[str, str, str]
"""user_id, course_id, batch_id"""

Row = dict[str, object]

_COMPLETED_AT = datetime.combine(datetime.now(UTC) - timedelta(days=2), time(6), UTC)
"""One recent day: too little history for the gate, too new for a feed's check to find it stale."""

_FIRST = ("Asha", "सुनीता", "முத்துலட்சுமி", "محمد", "José", "রবীন্দ্র", "ಲಕ್ಷ್ಮಿ", "Gurpreet")
_LAST = ("Rao", "शर्मा", "ராஜன்", "قریشی", "Ngô", "সেন", "ಗೌಡ", "Kaur")
_UNPRINTABLE = (None, "", "𓀀𓀁", "undefined", "N/A")


@dataclass(frozen=True, slots=True)
class _Course:
    """A course of the people: its contents, and to whom and for what its certificate is given."""

    course_id: str
    contents: int
    offers_certificate: bool = True
    minimum_score: int | None = None
    recipient_tenants: tuple[str, ...] = ()


COURSES = (
    _Course("chaos-reading", 1),
    _Course("chaos-maths", 3, minimum_score=60),
    _Course("chaos-safety", 2, recipient_tenants=("north", "chaos")),
    _Course("chaos-library", 1, offers_certificate=False),
)

Wave = dict[str, tuple[str, ...]]
"""Feed -> its lines of JSON."""


@dataclass(frozen=True, slots=True)
class People:
    """The files in the order in which they are dropped, and what must come of all of them together.

    `names` are what may be printed for a learner. `broken` counts the rows that break the contract, `rows`
    the others by feed, each key once.
    """

    catalogue: Wave
    waves: tuple[Wave, ...]
    entitled: frozenset[Key]
    names: dict[str, frozenset[str]]
    broken: int
    rows: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Fact:
    """One row and the wave that brings it."""

    wave: int
    feed: str
    row: Row


def gather_people(
    *, people: int = 0, waves: int = 1, seed: int = 0, renamed: float = 0.0, label: str = "p"
) -> People:
    """A group of so many people; the same seed gives the same group.

    The first wave brings a third of them, so that there is load from the beginning. A share `renamed` gets
    another name in a later wave, which is printed or comes too late for that. Two groups with different
    labels share the courses and nobody.
    """
    dice = random.Random(seed)
    facts: list[_Fact] = []
    entitled: set[Key] = set()
    names: dict[str, frozenset[str]] = {}
    for number in range(people):
        wave = 0 if number < people // 3 else dice.randrange(waves)
        user_id = f"{label}{seed}-{number:05}"
        told, keys, spelt = _learner(user_id, wave=wave, last_wave=waves - 1, dice=dice, renamed=renamed)
        facts += told
        entitled |= keys
        names[user_id] = spelt
    rows = {
        "users": len({fact.row["user_id"] for fact in facts if fact.feed == "users"}),
        "enrolments": sum(fact.feed == "enrolments" for fact in facts),
        "progress": sum(fact.feed == "progress" for fact in facts),
    }
    facts += [
        replace(fact, wave=dice.randint(fact.wave, waves - 1)) for fact in facts if dice.random() < 0.05
    ]
    return People(
        catalogue=_catalogue(),
        waves=tuple(_wave(number, facts, label=f"{label}{seed}") for number in range(waves)),
        entitled=frozenset(entitled),
        names=names,
        broken=waves,
        rows=rows,
    )


def write_wave(folder: Path, wave: Wave, *, name: str) -> Path:
    """The wave as a folder for `pramaan load`, or to be dropped file by file."""
    for feed, lines in wave.items():
        (folder / feed).mkdir(parents=True, exist_ok=True)
        (folder / feed / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder


def _learner(
    user_id: str, *, wave: int, last_wave: int, dice: random.Random, renamed: float
) -> tuple[list[_Fact], set[Key], frozenset[str]]:
    """One learner's facts, what they earn, and the names that may be printed."""
    tenant_id = dice.choice(("north", "south"))
    is_printable = dice.random() > 0.03
    name = f"{dice.choice(_FIRST)} {dice.choice(_LAST)}" if is_printable else dice.choice(_UNPRINTABLE)
    is_known = dice.random() > 0.02

    def later() -> int:
        return dice.randint(wave, last_wave) if dice.random() < 0.1 else wave

    user: Row = {"user_id": user_id, "tenant_id": tenant_id, "language": "en"}
    facts = []
    spelt = {name or ""}
    if is_known:
        facts.append(_Fact(later(), "users", user | {"name": name, "updated_at": _at(days=-9)}))
        if is_printable and dice.random() < renamed:
            new = f"{name} {dice.choice(_LAST)}"
            spelt.add(new)
            row = user | {"name": new, "updated_at": _at(days=1)}
            facts.append(_Fact(dice.randint(wave, last_wave), "users", row))
    keys = set()
    for course in dice.sample(COURSES, dice.choice((1, 1, 2))):
        told, is_earned = _study(user_id, course, dice=dice, later=later)
        facts += told
        is_recipient = not course.recipient_tenants or tenant_id in course.recipient_tenants
        if is_earned and is_known and is_printable and is_recipient and course.offers_certificate:
            keys.add((user_id, course.course_id, f"{course.course_id}-1"))
    return facts, keys, frozenset(spelt)


def _study(
    user_id: str, course: _Course, *, dice: random.Random, later: Callable[[], int]
) -> tuple[list[_Fact], bool]:
    """A learner's enrolment and progress in a course, and whether these earn its certificate."""
    key: Row = {"user_id": user_id, "course_id": course.course_id, "batch_id": f"{course.course_id}-1"}
    is_active = dice.random() > 0.03
    done = course.contents if dice.random() < 0.85 else course.contents - 1
    scores = [dice.randrange(40, 101) for _ in range(done)]
    enrolment = key | {"enrolled_at": _at(days=-9), "active": is_active, "updated_at": _at(days=-1)}
    facts = [_Fact(later(), "enrolments", enrolment)]
    for number, score in enumerate(scores):
        then = _at(seconds=number)
        row = key | {"content_id": f"{course.course_id}-{number}", "status": 2, "score": score}
        facts.append(_Fact(later(), "progress", row | {"completed_at": then, "updated_at": then}))
    is_good = course.minimum_score is None or sum(scores) >= course.minimum_score * len(scores)
    return facts, is_active and done == course.contents and is_good


def _wave(number: int, facts: Sequence[_Fact], *, label: str) -> Wave:
    """The rows of one wave, each file in the order of the facts; a broken row stands among the progress."""
    lines: dict[str, list[str]] = {"users": [], "enrolments": [], "progress": []}
    for fact in facts:
        if fact.wave == number:
            lines[fact.feed].append(json.dumps(fact.row, ensure_ascii=False))
    broken = {"user_id": f"{label}-broken-{number}", "status": 2}
    lines["progress"].insert(len(lines["progress"]) // 2, json.dumps(broken))
    return {feed: tuple(those) for feed, those in lines.items() if those}


def _catalogue() -> Wave:
    """The courses and their batches, which come first and are attached before anything is killed."""
    then = {"tenant_id": "chaos", "updated_at": _at(days=-60)}
    courses = [
        {"course_id": course.course_id, "name": course.course_id.title(), "status": "Live",
         "leaf_count": course.contents, "published_at": _at(days=-60), **then}
        for course in COURSES
    ]  # fmt: skip
    batches = [
        {"batch_id": f"{course.course_id}-1", "course_id": course.course_id, "name": "One",
         "enrolment_type": "open", **then}
        for course in COURSES
    ]  # fmt: skip
    return {
        "courses": tuple(json.dumps(row) for row in courses),
        "batches": tuple(json.dumps(row) for row in batches),
    }


def _at(*, days: int = 0, seconds: int = 0) -> str:
    return (_COMPLETED_AT + timedelta(days=days, seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
