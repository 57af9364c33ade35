"""The reason codes of decisions (contract part 3), by name; the rules behind them stand in `dbt/models`."""

from typing import Final, Literal, get_args

__all__ = ["DECISIONS", "Decision"]

Decision = Literal[
    "recipient_unknown",
    "course_not_published",
    "enrolment_inactive",
    "other_tenant_batch",
    "no_certificate_at_completion",
    "outside_recipient_tenants",
    "below_minimum_score",
    "name_unprintable",
    "entitled",
]
DECISIONS: Final[tuple[Decision, ...]] = get_args(Decision)
"""In the order in which the rules take the first that applies."""
