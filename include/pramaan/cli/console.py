"""What commands share in speaking to people and to programs: progress on stderr, results on stdout."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

__all__ = ["as_json", "json_option", "print_json", "print_table", "progress", "step"]

json_option = click.option("--json", "as_json", is_flag=True, help="Print figures as JSON.")

_stderr = Console(stderr=True)


@contextmanager
def progress() -> Iterator[Progress]:
    """Progress bars for the block, on stderr, so that stdout can be piped."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=_stderr) as bars:
        yield bars


def step(text: str) -> None:
    """Say what is being done."""
    _stderr.print(f"[dim]·[/dim] {text}", highlight=False)


def as_json(value: Any) -> str:
    """A record or mapping as indented JSON."""
    return json.dumps(
        asdict(value) if is_dataclass(value) and not isinstance(value, type) else value, indent=2, default=str
    )


def print_json(value: Any) -> None:
    """Print a record or mapping as JSON."""
    click.echo(as_json(value))


def print_table(title: str, values: Mapping[str, object]) -> None:
    """Print names and figures under a title, figures aligned."""
    click.echo(f"\n{title}")
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        shown = f"{value:>12,}" if isinstance(value, int) else str(value)
        click.echo(f"  {name.replace('_', ' '):<{width}}  {shown}")
    if not values:
        click.echo("  none")
