"""The command line: `pramaan`. Each command is a thin adapter from words to the package's functions.

Exits 0 on success, 1 on an error that is told in one message, 2 on a wrong call, 130 when interrupted.
"""

import sys

import click

from pramaan.errors import PramaanError

__all__ = ["main"]


def main() -> None:
    """Run the command that the arguments name."""
    from pramaan.cli.commands import pramaan

    try:
        result = pramaan.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. Run the same command again: it goes on where it stopped.", err=True)
        sys.exit(130)
    except PramaanError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        click.echo(f"Error: {error.strerror or error}{where}", err=True)
        sys.exit(1)
    sys.exit(result if isinstance(result, int) else 0)
