"""What is typed on the server's machine, in the folder of Lattice, to sign somebody in."""

from __future__ import annotations

import shlex


def sign_in_link(email: str | None = None) -> str:
    """The command that prints a new link; without an address, for the first admin."""
    return ".venv/bin/lattice admin sign-in-link" + (f" --email {shlex.quote(email)}" if email else "")
