"""What the builds of the keyed tables found (`ops.builds`; dbt writes it: `dbt/macros/keyed_table.sql`)."""

import logging
from typing import LiteralString, cast

from pramaan.database.connect import Connection

__all__ = ["rows_unlike"]

log = logging.getLogger(__name__)

# Of another rule, or another shape, all is to be expected.
_UNLIKE: LiteralString = """
    select model, rows_unlike
    from (
        select distinct on (model) model, rows_unlike, is_same_rule from ops.builds
        where built_at is not null
        order by model, build_id desc
    ) as last
    where is_same_rule and rows_unlike > 0
    order by model
"""


def rows_unlike(connection: Connection) -> int:
    """In how many rows the last build of each keyed table found that batches had been wrong; logs a warning
    for each table. More than none is a fault of ours, though the build has put it right.
    """
    found = cast(list[tuple[str, int]], connection.execute(_UNLIKE).fetchall())
    for model, rows in found:
        log.warning("batches had %d rows of %s wrong; see the notes of build_warehouse", rows, model)
    return sum(rows for _, rows in found)
