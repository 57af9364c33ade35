"""`pramaan bench`: every figure that is claimed, measured here."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pramaan.cli.console import json_option, print_json, step

if TYPE_CHECKING:
    from pramaan.bench.measurement import Measurement

__all__ = ["bench"]

BENCHMARKS = ("feeds", "pipeline", "render", "api", "setup")


@click.command()
@click.argument("name", type=click.Choice(BENCHMARKS), required=False)
@click.option("--rows", default=2_000_000, show_default=True, help="feeds: how many progress rows.")
@click.option(
    "--oulad",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("../shared/data/oulad/to_feeds.py"),
    show_default=True,
    help="pipeline: the script that writes the Open University data set as feeds.",
)
@click.option(
    "--renders",
    type=click.IntRange(min=10),
    default=100_000,
    show_default=True,
    help="render: over how many in one process memory is watched.",
)
@json_option
def bench(name: str | None, *, rows: int, oulad: Path, renders: int, as_json: bool) -> None:
    """Measure NAME (all when left out) and write its section of BENCHMARKS.md."""
    from pramaan.bench.report import write_section
    from pramaan.settings import PROJECT_ROOT

    for chosen in [name] if name else BENCHMARKS:
        step(f"Measuring {chosen}")
        measured = _measure(chosen, rows=rows, oulad=oulad, renders=renders)
        write_section(PROJECT_ROOT / "BENCHMARKS.md", chosen, measured)
        if as_json:
            print_json([asdict(m) for m in measured])
            continue
        for m in measured:
            click.echo(f"  {m.name:<44} {m.shown:>12} {m.unit:<22} {m.target or '':<16} {m.remark}")


def _measure(name: str, *, rows: int, oulad: Path, renders: int) -> "list[Measurement]":
    if name == "pipeline":
        from pramaan.bench import pipeline

        return pipeline.run(oulad=oulad)
    if name == "render":
        from pramaan.bench import render

        return render.run(renders=renders)
    if name == "api":
        from pramaan.bench import api

        return api.run()
    if name == "setup":
        from pramaan.bench import setup

        return setup.run()
    from pramaan.bench import feeds
    from pramaan.bench.scratch import scratch_pipeline

    with scratch_pipeline() as (_, scratch):
        return feeds.run(scratch, rows=rows)
