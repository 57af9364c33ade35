"""The group of all commands. Heavy modules are imported by the command that needs them, so that `--help` is
quick.
"""

import logging

import click

from pramaan.cli.access import grant, serve, token
from pramaan.cli.bench import bench
from pramaan.cli.gate import gate
from pramaan.cli.mail import mail
from pramaan.cli.pipeline import issue, load
from pramaan.cli.platform import down, prepare, psql, status, up
from pramaan.cli.registry import attach, detach, issuer
from pramaan.cli.render import render
from pramaan.cli.report import report
from pramaan.cli.template import template

__all__ = ["pramaan"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--verbose", is_flag=True, help="Log what happens, not only what comes out.")
@click.version_option(package_name="pramaan")
def pramaan(*, verbose: bool) -> None:
    """Issue course-completion certificates: right, beautiful, and verifiable by anyone."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.ERROR,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


_COMMANDS = (
    *(up, down, status, prepare, psql, serve),
    *(load, issue, gate, report, mail),
    *(issuer, attach, detach, grant, token),
    *(render, template),
    bench,
)

for command in _COMMANDS:
    pramaan.add_command(command)
