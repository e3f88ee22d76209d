"""`lattice login`, `whoami` and `logout`: an API key for this terminal by a code that a person approves (RFC 8628)."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from typing import Annotated, Any

import typer

Url = Annotated[str, typer.Option("--url", help="The server; without it LATTICE_URL, else that of the last login.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
CLIENT = "lattice"
SLOWER = 5  # seconds more between polls for each `slow_down`


def login(
    url: Url = "",
    scopes: Annotated[
        str, typer.Option("--scopes", help="What the key may write, with commas; empty: it reads.")
    ] = "compute:write,storage:write",
    days: Annotated[int, typer.Option("--days", help="Days until the key expires.", min=1, max=365)] = 30,
    json: Json = False,
) -> None:
    """Sign this terminal in: approve the code that it shows in a browser where you are signed in."""
    from app.cli.client import credentials, output
    from app.cli.client.api import Api

    before = credentials.to_be_replaced(url)
    asked = {"client_id": CLIENT, "scope": scopes.replace(",", " "), "host": _host(), "days": days}
    with Api(credentials.Credential(before.url, None)) as api:
        device = api.call("POST", "/auth/device", json=asked)
        _show(before.url, device)
        token = _wait(api, device)
    after = credentials.Credential(before.url, token["access_token"])
    _keep_instead(before, after)
    with Api(after) as api:
        me = api.call("GET", "/auth/me")
    if json:
        output.as_json({"url": before.url, "name": token["name"], "scope": token["scope"], "me": me})
    else:
        output.say(f"Signed in at {before.url} as {_who(me)}. The key is kept in {credentials.path()}.")
    if before.from_environment:
        output.say("LATTICE_API_KEY is set and goes before it.")


def _keep_instead(before: Any, after: Any) -> None:
    """The old key goes once the new one is kept; a new one that can't be kept goes itself."""
    from app.cli.client import credentials
    from app.cli.client.errors import ClientError

    try:
        credentials.keep(after.url, after.key)
    except ClientError:
        with contextlib.suppress(ClientError):
            give_back(after)
        raise
    if before.key and not before.from_environment:
        with contextlib.suppress(ClientError):  # dead already, or it ends by itself
            give_back(before)


def whoami(url: Url = "", json: Json = False) -> None:
    """Say who this terminal acts as, and where."""
    from app.cli.client import credentials, output
    from app.cli.client.api import Api

    with Api(credentials.needed(url)) as api:
        me = api.call("GET", "/auth/me")
        where = api.url
    if json:
        output.as_json(me)
        return
    scopes = me["scopes"]
    output.facts([
        ("server", where), ("name", me["name"]), ("email", me["email"]), ("organization", me["organization"]["name"]),
        ("role", me["role"]), ("may write", ", ".join(scopes) or "nothing" if scopes is not None else "everything"),
    ])  # fmt: skip


def logout(url: Url = "", json: Json = False) -> None:
    """Revoke the key that `lattice login` got, and forget it."""
    from app.cli.client import credentials, output
    from app.cli.client.errors import ClientError

    found = credentials.needed(url)
    if found.from_environment:
        raise ClientError("LATTICE_API_KEY is set: unset it to sign out of what `lattice login` kept.")
    revoked = True
    try:
        give_back(found)
    except ClientError as wrong:
        revoked = False
        output.say(f"The key could not be revoked, only forgotten: {wrong}")
    credentials.forget(found.url)
    if json:
        output.as_json({"url": found.url, "revoked": revoked})
    elif revoked:
        output.say(f"Signed out at {found.url}.")


def give_back(credential: Any) -> None:
    """Have the server revoke the key."""
    from app.cli.client.api import Api

    with Api(credential) as api:
        api.call("DELETE", "/auth/key")


def _host() -> str:
    return "".join(c for c in socket.gethostname() if c.isprintable())[:60]


def _who(me: dict[str, Any]) -> str:
    from app.cli.client.output import shown

    return shown(f"{me['name'] or me['email'] or me['id']} in {me['organization']['name']}")


def _show(url: str, device: dict[str, Any]) -> None:
    from app.cli.client.output import say

    if url.startswith("http://") and not url.startswith(("http://localhost", "http://127.", "http://[::1]")):
        say("This server is reached without encryption: whoever listens on the way can read the key.")
    say(f"Open {device['verification_uri']} in a browser and type the code\n\n    {device['user_code']}\n")
    say(f"or open {device['verification_uri_complete']}")
    if _has_browser():
        import webbrowser

        webbrowser.open(device["verification_uri_complete"])


def _has_browser() -> bool:
    """Whether a person sits at this machine's own screen."""
    if not sys.stderr.isatty() or os.environ.get("SSH_CONNECTION"):
        return False
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _wait(api: Any, device: dict[str, Any]) -> dict[str, Any]:
    """Poll until somebody decides, or the code ends. A server that is away for a moment is asked again."""
    from app.cli.client.errors import NOT_REACHED, ClientError

    pause, ends = float(device["interval"]), time.monotonic() + device["expires_in"]
    sent = {"grant_type": GRANT, "device_code": device["device_code"], "client_id": CLIENT}
    while True:
        time.sleep(pause)
        try:
            token: dict[str, Any] = api.call("POST", "/auth/device/token", data=sent)
        except ClientError as wrong:
            if wrong.code == "slow_down":
                pause += SLOWER
            elif wrong.retry_after:
                pause = max(pause, wrong.retry_after)
            elif wrong.code != "authorization_pending" and wrong.status != NOT_REACHED:
                raise
            if time.monotonic() > ends:
                raise
        else:
            return token
