"""`lattice`: the client, and the commands of the server's machine. What can't be done is a sentence on standard error.

Every command imports what it needs when it runs, so that the help is quick.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from app.cli import admin, server
from app.cli.client import jobs, login
from app.cli.client.errors import ClientError

app = typer.Typer(
    name="lattice",
    help="A control plane for GPU compute: jobs, node pools and logs from one small server.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (login.login, login.whoami, login.logout):
    app.command()(command)
app.add_typer(jobs.app, name="jobs")
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
    """The console script.

    Exit status: 0, 1 where something could not be done or was refused, 2 for a wrong setting or argument; of the client
    also 3 where nobody is signed in and 4 where the server can't be reached.
    """
    try:
        app(prog_name="lattice")
    except ClientError as wrong:
        print(wrong, file=sys.stderr)
        sys.exit(wrong.status)
    except Exception as wrong:
        from app.cli.refusals import explain

        known = explain(wrong)
        if known is None:
            raise
        print(known.sentence, file=sys.stderr)
        sys.exit(known.status)


if __name__ == "__main__":
    main()
