"""Ids that a spreadsheet ruined: it takes an id for a number, and writes the number in its own way.

`1.3032E+17` stands for some hundred million ids, so that two become one; `1001.0` and `1,001` are another id
than `1001`. All ids of the contract are looked at, also those that decide nothing: a school's number is
ruined by the same hand, and is printed in reports. Only a whole id of such a form is one: `12e4567`, as parts
of UUIDs and hashes look, has neither a point nor a sign and is an id like any other; so is `1.50`, which no
whole number becomes.
"""

from typing import Final

from pramaan.feeds.spec import Column, Kind
from pramaan.feeds.typing_sql import quoted

__all__ = ["MESSAGE", "ruined"]

MESSAGE: Final = (
    "is a number as a spreadsheet writes it, not the id it was made from: export the ids again from their "
    "source, as text, and do not open the file in a spreadsheet on the way"
)

_FORMS: Final = (
    r"[+-]?[0-9]+\.[0-9]*[eE][+-]?[0-9]{1,3}"  # 1.3032E+17, and Java's 1.3032E17
    r"|[+-]?[0-9]+[eE][+-][0-9]{1,3}"  # 1E+17
    r"|[+-]?[0-9]+\.0+"  # 1001.0
    r"|[+-]?[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3}(?:\.[0-9]+)?"  # 1,001, and India's 1,30,320
    r"|#+|#(?:REF!|N/A|NAME\?|VALUE!|DIV/0!|NULL!|NUM!)"
)
_MARKS: Final = ".,+-#"
"""Each form has one of these."""


def ruined(column: Column) -> str:
    """SQL that is true where the id, or one of the list of ids, is of such a form."""
    value = quoted(column.name)
    if column.kind is Kind.LIST:  # as Postgres writes an array: each text quoted, quotes in it escaped
        return f"""regexp_matches({value}, '[{{,]"(?:{_FORMS})"[,}}]')"""
    # Cheap questions first: all forms begin before the colon, which most ids do not.
    marked = " or ".join(f"contains({value}, '{mark}')" for mark in _MARKS)
    return f"({value} < ':' and ({marked}) and regexp_full_match({value}, '{_FORMS}'))"
