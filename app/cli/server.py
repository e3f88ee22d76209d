"""`lattice server …`: migrate and serve, back up, restore and rewrap, on the server's machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Run the server and look after what it keeps.", no_args_is_help=True)

PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="PATH",
        help="A file whose first line is the passphrase. Without it: LATTICE_BACKUP_PASSPHRASE, else a question.",
        dir_okay=False,
        exists=True,
    ),
]


@app.command()
def migrate() -> None:
    """Bring the database's schema to the newest."""
    from app.cli.schema import bring_to_head
    from app.settings import load_settings

    print("The schema was migrated." if bring_to_head(load_settings()) else "The schema is the newest already.")


@app.command()
def serve(
    dev: Annotated[bool, typer.Option("--dev", help="Start again when code, templates or styles change.")] = False,
    migrate: Annotated[bool, typer.Option("--migrate", help="Bring the schema to the newest first.")] = False,
) -> None:
    """Serve the console and the API, and run the workers."""
    from app.cli.serving import serve as serve_now

    serve_now(dev=dev, migrate=migrate)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where to write it. An existing file is replaced when it is complete.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Write database, logs and keys into one encrypted file. The server may go on serving."""
    from app.backup.archive import back_up
    from app.cli.passphrase import new_passphrase
    from app.cli.signals import signals_unwind
    from app.datadir import DataDir
    from app.settings import load_settings

    settings = load_settings()
    passphrase = new_passphrase(passphrase_file)
    with signals_unwind():
        size = back_up(settings, DataDir.at(settings.lattice_data_dir), file, passphrase)
    print(f"{file}: {size:,} bytes. It opens with the passphrase alone; keep both, apart.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `lattice server backup` wrote.", dir_okay=False)],
    force: Annotated[
        bool, typer.Option("--force", help="Replace what is there; files are moved aside, not removed.")
    ] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Put a backup in the place of an empty data folder and database. The server must not run."""
    from app.backup.restoring import restore as restore_now
    from app.cli.passphrase import known_passphrase
    from app.cli.signals import signals_unwind
    from app.datadir import DataDir
    from app.settings import load_settings

    settings = load_settings()
    folder = DataDir.open(settings.lattice_data_dir)
    try:
        passphrase = known_passphrase(passphrase_file)
        with signals_unwind():
            for line in restore_now(settings, folder, file, passphrase, force=force):
                print(line)
    finally:
        folder.close()


@app.command()
def rewrap() -> None:
    """Encrypt stored secrets with the newest key, so that older ones can be taken away."""
    from app.cli.schema import current_database
    from app.datadir import DataDir
    from app.keyring import Keyring
    from app.rewrap import rewrap as rewrap_all
    from app.settings import load_settings

    settings = load_settings()
    keyring = Keyring.load(settings, DataDir.at(settings.lattice_data_dir))
    with current_database(settings) as db:
        count = rewrap_all(db, keyring)
    print(f"{count:,} secrets were encrypted with the key {keyring.newest}; none needs another any more.")
