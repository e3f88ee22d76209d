"""`lattice`: the commands of the server's machine. What can't be done is one sentence on standard error.

Every command imports what it needs when it runs, so that the help is quick.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from app.cli import admin, server

app = typer.Typer(
    name="lattice",
    help="A control plane for GPU compute: jobs, node pools and logs from one small server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(server.app, name="server")
app.add_typer(admin.app, name="admin")


def _show_version(wanted: bool) -> None:
    if wanted:
        from app import __version__

        print(f"lattice {__version__}")
        raise typer.Exit


@app.callback()
def _lattice(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """The console script. Exit status: 0, 1 where something could not be done, 2 for a wrong setting or argument."""
    try:
        app(prog_name="lattice")
    except Exception as wrong:
        from app.cli.refusals import explain

        known = explain(wrong)
        if known is None:
            raise
        print(known.sentence, file=sys.stderr)
        sys.exit(known.status)


if __name__ == "__main__":
    main()
