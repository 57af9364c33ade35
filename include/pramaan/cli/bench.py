"""`pramaan bench`: every figure that is claimed, measured here."""

from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pramaan.cli.console import json_option, print_json, step

if TYPE_CHECKING:
    from pramaan.bench.measurement import Measurement

__all__ = ["bench"]

BENCHMARKS = ("feeds", "pipeline", "render", "api", "issue", "night", "report", "setup")


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
@click.option(
    "--seconds", default=300, show_default=True, help="issue: how long completions trickle in; 0: not at all."
)
@click.option(
    "--at-once", default=100_000, show_default=True, help="issue: completions dropped at once; 0: none."
)
@click.option("--idle-minutes", default=3, show_default=True, help="issue: idle minutes of each kind.")
@click.option(
    "--history",
    default=10_000_000,
    show_default=True,
    help="issue: progress rows under a batch; 0: none. night: those it builds from.",
)
@click.option("--people", default=100_000, show_default=True, help="report: how many are in the large batch.")
@json_option
def bench(name: str | None, *, as_json: bool, **sizes: Any) -> None:
    """Measure NAME (all when left out) and write its section of BENCHMARKS.md."""
    if find_spec("pramaan.bench") is None or find_spec("typst") is None:
        raise click.ClickException("benchmarks need what only a checkout installs: run `make bench` in one")
    from pramaan.bench.sections import write_section
    from pramaan.settings import PROJECT_ROOT

    for chosen in [name] if name else BENCHMARKS:
        step(f"Measuring {chosen}")
        measured = _measure(chosen, sizes)
        write_section(PROJECT_ROOT / "BENCHMARKS.md", chosen, measured)
        if as_json:
            print_json([asdict(m) for m in measured])
            continue
        for m in measured:
            click.echo(f"  {m.name:<44} {m.shown:>12} {m.unit:<22} {m.target or '':<16} {m.remark}")


def _measure(name: str, sizes: dict[str, Any]) -> "list[Measurement]":
    module = import_module(f"pramaan.bench.{'reports' if name == 'report' else name}")
    measured: list[Measurement]
    match name:
        case "feeds":
            from pramaan.bench.scratch import scratch_pipeline

            with scratch_pipeline() as (_, scratch):
                measured = module.run(scratch, rows=sizes["rows"])
        case "pipeline":
            measured = module.run(oulad=sizes["oulad"])
        case "render":
            measured = module.run(renders=sizes["renders"])
        case "issue":
            chosen = (sizes["seconds"], sizes["at_once"], sizes["idle_minutes"], sizes["history"])
            measured = module.run(module.Sizes(*chosen), report=step)
        case "night":
            measured = module.run(progress_rows=sizes["history"], report=step)
        case "report":
            measured = module.run(people=sizes["people"], report=step)
        case _:
            measured = module.run()
    return measured
