"""`lattice` as people and scripts run it: a process, its two outputs and its exit status."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from app import __version__
from tests.peers import wait_until
from tests.peers.server import LATTICE, Server, ServerMaker

WORDS = {"LATTICE_BACKUP_PASSPHRASE": "correct horse battery staple"}


def failed(server: Server, *arguments: str, status: int) -> str:
    """What the command wrote to standard error: one line, nothing on the other output."""
    done = subprocess.run(
        [*LATTICE, *arguments], cwd=server.home, env=server.environment(), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def one_sentence(server: Server, *arguments: str, status: int) -> str:
    said = failed(server, *arguments, status=status)
    assert said.count("\n") == 1 and said.endswith(".\n"), said
    return said


@pytest.fixture(scope="module")
def beside(shared_server: Server) -> Server:
    """A running server, beside which most commands work."""
    return shared_server


def test_version_and_help_are_quick_and_import_no_server() -> None:
    code = "import sys, app.cli.main; assert not {'sqlalchemy', 'starlette', 'uvicorn', 'pydantic'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    shown = subprocess.run([*LATTICE, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == f"lattice {__version__}\n"


@pytest.mark.parametrize(
    ("settings", "status", "named"),
    [
        ({"PORT": "99999"}, 2, "PORT"),
        ({"DATABASE_URL": "mysql://u:hidden@h/d"}, 2, "DATABASE_URL"),
        ({"LATTICE_SECRET_KEYS": "hidden"}, 2, "LATTICE_SECRET_KEYS"),
        ({"AUTH_COOKIE_PASSWORD": "hidden"}, 2, "AUTH_COOKIE_PASSWORD"),
        ({"DATABASE_URL": "postgresql://u:hidden@127.0.0.1:1/d"}, 1, "DATABASE_URL"),
        ({"DATABASE_URL": "sqlite:////proc/x.db"}, 1, "/proc/x.db (DATABASE_URL"),
        ({"DATABASE_URL": "sqlite:////dev/null"}, 1, "DATABASE_URL"),
        ({"LATTICE_STORE": "bogus://x"}, 2, "LATTICE_STORE is 'bogus://x'"),
        ({"LATTICE_FAKE_GPUS": "H100:-1"}, 2, "LATTICE_FAKE_GPUS is 'H100:-1'"),
        ({"LATTICE_RATE_LIMITS": "writes=0/minute"}, 2, "LATTICE_RATE_LIMITS has '0/minute' for writes"),
        ({"LATTICE_DATA_DIR": "/dev/null/x"}, 1, "/dev/null/x"),
        ({"HOST": "192.0.2.1"}, 1, "HOST 192.0.2.1"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    new_server: ServerMaker, settings: dict[str, str], status: int, named: str
) -> None:
    said = one_sentence(new_server(**settings), "server", "serve", "--migrate", status=status)
    assert named in said and "hidden" not in said


def test_a_schema_that_is_behind_is_one_sentence(new_server: ServerMaker) -> None:
    made = new_server()
    for command in (["server", "serve"], ["admin", "sign-in-link"], ["server", "rewrap"]):
        assert "lattice server migrate" in one_sentence(made, *command, status=1)


def test_migrate_beside_a_server_has_nothing_to_do(beside: Server) -> None:
    assert "newest already" in beside.lattice("server", "migrate")


def test_a_key_alone_is_printed(beside: Server) -> None:
    command = ("admin", "api-key", "create", "--name", "ci", "--scopes", "compute:write", "--expires", "30d")
    assert re.fullmatch(r"lk_[\w-]{32}\n", beside.lattice(*command))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--scopes", "compute:write,launch"], "launch"),
        (["--scopes", "admin,compute:write"], "admin"),
        (["--expires", "soon"], "soon"),
        (["--name", ""], "name"),
    ],
)
def test_a_wrong_key_is_refused(beside: Server, options: list[str], named: str) -> None:
    assert named in failed(beside, "admin", "api-key", "create", "--name", "ci", *options, status=2)


def test_members_are_added_once_and_get_keys_and_links_of_their_own(beside: Server) -> None:
    assert "bob@lab.test is a member of Home" in beside.lattice("admin", "member", "add", "--email", "bob@lab.test")
    assert "member already" in one_sentence(beside, "admin", "member", "add", "--email", "Bob@lab.test", status=1)
    assert "/sign-in?token=" in beside.lattice("admin", "sign-in-link", "--email", "bob@lab.test")
    assert beside.lattice("admin", "api-key", "create", "--name", "b", "--email", "bob@lab.test").startswith("lk_")
    assert "not a member" in one_sentence(beside, "admin", "sign-in-link", "--email", "eve@lab.test", status=1)
    assert "no role" in failed(beside, "admin", "member", "add", "--email", "c@lab.test", "--role", "king", status=2)
    assert "address" in one_sentence(beside, "admin", "member", "add", "--email", "nobody", status=2)


@pytest.fixture(scope="module")
def lab(beside: Server) -> str:
    """The id of a second organization, to which only2@lab.test alone belongs beside its founder."""
    founder = beside.signed_in()
    made = str(founder.post("/api/v1/organizations", json={"name": "Lab Two"}).json()["id"])
    beside.lattice("admin", "member", "add", "--email", "only2@lab.test", "--name", "O", "--organization", "Lab Two")
    return made


def test_who_belongs_to_another_organization_alone_is_signed_in_there(beside: Server, lab: str) -> None:
    link = beside.lattice("admin", "sign-in-link", "--email", "only2@lab.test")
    browser = beside.client(**{"Sec-Fetch-Site": "same-origin"})
    assert browser.post("/sign-in", data={"token": link.strip().partition("token=")[2]}).status_code == 303
    assert browser.get("/api/v1/auth/me").json()["organization"]["id"] == lab


def test_a_key_is_made_in_the_organization_that_is_named(beside: Server, lab: str) -> None:
    create = ("admin", "api-key", "create", "--name", "ci", "--email", "only2@lab.test")
    assert "not a member of Home but of Lab Two: say so by --organization" in one_sentence(beside, *create, status=1)
    for named in (lab, "Lab Two"):
        key = beside.lattice(*create, "--organization", named).strip()
        me = beside.client(Authorization=f"Bearer {key}").get("/api/v1/auth/me").json()
        assert (me["email"], me["organization"]["id"]) == ("only2@lab.test", lab)


def test_an_organization_is_named_without_doubt(beside: Server, lab: str) -> None:
    add = ("admin", "member", "add", "--email", "new@lab.test", "--organization")
    assert "no organization 'Lab Three'" in one_sentence(beside, *add, "Lab Three", status=1)
    beside.signed_in().post("/api/v1/organizations", json={"name": "Twins"})
    beside.signed_in().post("/api/v1/organizations", json={"name": "Twins"})
    assert "give its id, org_" in one_sentence(beside, *add, "Twins", status=1)


def test_the_passphrase_is_asked_of_nobody_and_never_an_argument(beside: Server) -> None:
    assert "LATTICE_BACKUP_PASSPHRASE" in one_sentence(beside, "server", "backup", "b", status=1)
    assert "No such option" in failed(beside, "server", "backup", "b", "--passphrase", "x", status=2)
    (beside.home / "words").write_text("short\n")
    assert "12 characters" in one_sentence(beside, "server", "backup", "b", "--passphrase-file", "words", status=1)


def test_backup_and_restore_beside_each_other(server: Server, new_server: ServerMaker) -> None:
    """A server that serves is backed up; another machine restores it and its people and keys are there."""
    key = server.lattice("admin", "api-key", "create", "--name", "ci").strip()
    server.settings |= WORDS
    server.lattice("server", "backup", "b")
    assert "in use by process" in one_sentence(server, "server", "restore", "b", status=1)
    other = new_server(**WORDS)
    (other.home / "words").write_text(WORDS["LATTICE_BACKUP_PASSPHRASE"] + "\n")
    file = str(server.home / "b")
    assert "Restored" in other.lattice("server", "restore", "--passphrase-file", "words", file)
    assert "not empty" in one_sentence(other, "server", "restore", file, status=1)
    other.settings["LATTICE_BACKUP_PASSPHRASE"] = "wrong"
    assert "does not open" in one_sentence(other, "server", "restore", "--force", file, status=1)
    other.start()
    assert other.client(Authorization=f"Bearer {key}").get("/api/v1/auth/me").status_code == 200


def test_rewrap_says_what_it_did(beside: Server) -> None:
    assert beside.lattice("server", "rewrap").startswith("0 secrets")


def test_a_link_is_not_written_to_the_journal(new_server: ServerMaker) -> None:
    made = new_server()
    out = (made.home / "stdout").open("a")
    with out:
        of = os.fstat(out.fileno())
    made.settings["JOURNAL_STREAM"] = f"{of.st_dev}:{of.st_ino}"
    made.start()
    wait_until(lambda: "lattice admin sign-in-link" in made.output, what="where to get a link")
    assert "token=" not in made.output
