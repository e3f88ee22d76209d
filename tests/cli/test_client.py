"""The client as people and scripts run it, against the real server: signing in, jobs, exit statuses."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.peers import wait_until
from tests.peers.server import LATTICE, Server, ServerMaker

JOB_ID = re.compile(r"job_[0-9a-z]{26}")


@dataclass
class Terminal:
    """A person's shell: a home of its own, and the server's address."""

    server: Server
    home: Path
    variables: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def kept(self) -> Path:
        return self.home / ".config/lattice/credentials.json"

    def environment(self) -> dict[str, str]:
        own = {"HOME": str(self.home), "LATTICE_URL": self.server.url, **self.variables}
        left = {k: v for k, v in self.server.environment().items() if k not in {"XDG_CONFIG_HOME", "LATTICE_API_KEY"}}
        return {**left, **own}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*LATTICE, *arguments], cwd=self.home, env=self.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()

    def run(self, *arguments: str, status: int = 0, input: str = "") -> tuple[str, str]:
        done = subprocess.run(
            [*LATTICE, *arguments], cwd=self.home, env=self.environment(), input=input, capture_output=True, text=True,
            check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == status, (arguments, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stdout, done.stderr

    def out(self, *arguments: str) -> str:
        return self.run(*arguments)[0]


@pytest.fixture(scope="module")
def serving(shared_server: Server) -> Server:
    return shared_server


@pytest.fixture
def terminal(serving: Server, tmp_path: Path) -> Iterator[Terminal]:
    """Nobody is signed in here yet."""
    made = Terminal(serving, tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def key(serving: Server) -> str:
    return str(serving.with_key("compute:write").headers["Authorization"]).removeprefix("Bearer ")


@pytest.fixture
def signed_in(terminal: Terminal, key: str) -> Terminal:
    terminal.variables["LATTICE_API_KEY"] = key
    return terminal


@pytest.fixture
def waiting(terminal: Terminal) -> subprocess.Popen[str]:
    """A login that waits for somebody to decide."""
    return terminal.start("login", "--days", "3", "--json")


def code_of(process: subprocess.Popen[str]) -> str:
    assert process.stderr
    for line in process.stderr:
        if found := re.search(r"user_code=([A-Z-]{9})", line):
            return found[1]
    raise AssertionError("no code was shown")


def test_login_whoami_and_logout(serving: Server, terminal: Terminal, waiting: subprocess.Popen[str]) -> None:
    browser, code = serving.signed_in(), code_of(waiting)
    assert terminal.kept.exists() is False
    sent = {"user_code": code, "decision": "approve", "scopes[]": ["compute:write"], "days": "3"}
    assert browser.post("/device", data=sent).status_code == 200
    out, err = waiting.communicate(timeout=30)
    assert waiting.returncode == 0, err
    assert json.loads(out)["scope"] == "compute:write" and "lk_" not in out + err
    assert terminal.kept.stat().st_mode & 0o777 == 0o600 and terminal.kept.parent.stat().st_mode & 0o777 == 0o700
    said = terminal.out("whoami")
    assert serving.url in said and "compute:write" in said
    assert json.loads(terminal.out("whoami", "--json"))["via"] == "key"
    text = json.loads(terminal.kept.read_text())["keys"][serving.url]
    terminal.run("logout")
    assert serving.client(Authorization=f"Bearer {text}").get("/api/v1/auth/me").status_code == 401
    assert "login" in terminal.run("whoami", status=3)[1] and text not in terminal.kept.read_text()


def test_a_denied_login_keeps_nothing(serving: Server, terminal: Terminal, waiting: subprocess.Popen[str]) -> None:
    code = code_of(waiting)
    assert serving.signed_in().post("/device", data={"user_code": code, "decision": "deny"}).status_code == 200
    _, err = waiting.communicate(timeout=30)
    assert waiting.returncode == 1 and "denied" in err and not terminal.kept.exists()


def test_a_scope_that_there_is_not_is_the_servers_sentence(terminal: Terminal) -> None:
    assert "no scope 'launch'" in terminal.run("login", "--scopes", "launch", status=1)[1]


def test_a_command_runs_and_its_end_is_the_exit_status(signed_in: Terminal) -> None:
    out, err = signed_in.run("jobs", "submit", "--name", "hello", "--cpus", "0.1", "--follow", "--", "echo", "a  b")
    assert out == "a  b\n" and "succeeded" in err
    out, err = signed_in.run("jobs", "submit", "--cpus", "0.1", "-f", "--", "echo $GREETING; exit 7", "x", status=1)
    assert "failed" in err


def test_a_line_for_the_shell_with_variables(signed_in: Terminal) -> None:
    signed_in.variables["TOKEN"] = "s3cret"
    out, _ = signed_in.run(
        "jobs", "submit", "--env", "GREETING=hi", "--secret", "TOKEN", "--cpus", "0.1", "-f", "--",
        "echo $GREETING $TOKEN && exit 3", status=1,
    )  # fmt: skip
    assert out == "hi s3cret\n"


def test_a_file_is_sent_as_it_is_or_with_options(signed_in: Terminal) -> None:
    task = "name: digits\nresources: {cpus: 0.1, memory: 0.1}\nenvs: {A: x}\nrun: echo $A $B\n"
    (signed_in.home / "task.yaml").write_text(task)
    job = json.loads(signed_in.out("jobs", "submit", "task.yaml", "--json"))
    assert job["name"] == "digits" and job["envs"] == {"A": "x"}
    changed = json.loads(signed_in.run(
        "jobs", "submit", "-", "--name", "other", "--env", "B=y", "--memory", "0.2", "--json", input=task
    )[0])  # fmt: skip
    assert (changed["name"], changed["envs"], changed["cpus"], changed["memory"]) == (
        "other", {"A": "x", "B": "y"}, 0.1, 0.2,
    )  # fmt: skip


def test_list_show_logs_and_stop(signed_in: Terminal) -> None:
    submit = ("jobs", "submit", "--cpus", "0.1", "--memory", "0.1", "--name", "many-lines")
    done = JOB_ID.findall(signed_in.out(*submit, "--", "seq 1 2000; printf end"))[0]
    wait_until(
        lambda: json.loads(signed_in.out("jobs", "show", done, "--json"))["state"] == "succeeded", what="its end"
    )
    whole = signed_in.out("jobs", "logs", done)
    assert whole.splitlines() == [*map(str, range(1, 2001)), "end"]
    assert signed_in.out("jobs", "logs", done, "--follow").rstrip("\n") == whole
    assert signed_in.out("jobs", "logs", done, "--tail", "2") == "2000\nend"
    assert "--tail" in signed_in.run("jobs", "logs", done, "--tail", "0", status=2)[1]
    listed = signed_in.out("jobs", "list", "--state", "succeeded", "--limit", "300")
    assert listed.startswith("ID ") and f"{done}  many-lines" in listed and "\x1b" not in listed
    assert "many-lines" in signed_in.out("jobs", "show", done)
    wide = JOB_ID.findall(signed_in.out(*submit[:-1], "n" * 100, "--", "true"))[0]
    assert f"{wide}  {'n' * 39}…  " in signed_in.out("jobs", "list", "--limit", "300")
    long = JOB_ID.findall(signed_in.out(*submit, "--", "sleep 600"))[0]
    stopped = json.loads(signed_in.out("jobs", "stop", long, done, "--json"))
    assert (stopped["stopped"], stopped["unchanged"]) == (1, 1)
    assert "job_nowhere" in signed_in.run("jobs", "stop", "job_nowhere", status=1)[1]


def test_a_second_stop_kills(signed_in: Terminal) -> None:
    deaf = ("trap '' TERM; echo deaf; while :; do sleep 0.1; done",)
    job = JOB_ID.findall(signed_in.out("jobs", "submit", "--cpus", "0.1", "--memory", "0.1", "--", *deaf))[0]
    wait_until(lambda: "deaf" in signed_in.out("jobs", "logs", job), what="the job to be deaf")
    assert "1 told to stop" in signed_in.run("jobs", "stop", job)[1]
    assert json.loads(signed_in.out("jobs", "show", job, "--json"))["state"] in ("running", "stopping")
    assert "1 told to stop" in signed_in.run("jobs", "stop", job)[1]
    wait_until(lambda: json.loads(signed_in.out("jobs", "show", job, "--json"))["state"] == "stopped", what="its end")
    assert "0 told to stop, 1 unchanged" in signed_in.run("jobs", "stop", job)[1]


@pytest.fixture
def seen_by_jobs() -> Iterator[Path]:
    """A folder that jobs can look into, whatever user they run as."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_follow_goes_on_after_the_server_was_killed(
    new_server: ServerMaker, terminal: Terminal, seen_by_jobs: Path
) -> None:
    """No line is lost, and none comes twice."""
    server = new_server()
    server.start()
    secret = str(server.with_key("compute:write").headers["Authorization"]).removeprefix("Bearer ")
    terminal.server, terminal.variables = server, {"LATTICE_API_KEY": secret}
    go = seen_by_jobs / "go"
    line = f"seq 1 500; while [ ! -e {go} ]; do sleep 0.05; done; seq 501 1000"
    following = terminal.start("jobs", "submit", "--cpus", "0.1", "--memory", "0.1", "-f", "--", line)
    assert following.stdout
    first = [following.stdout.readline() for _ in range(500)]
    server.kill()
    server.start()
    go.touch()
    rest, err = following.communicate(timeout=60)
    assert [*map(int, first), *map(int, rest.split())] == list(range(1, 1001)), err
    assert following.returncode == 0 and "Trying again" in err


def test_a_follower_that_is_interrupted_leaves_the_job(signed_in: Terminal) -> None:
    following = signed_in.start("jobs", "submit", "--cpus", "0.1", "--memory", "0.1", "-f", "--", "echo up; sleep 600")
    assert following.stdout and following.stderr
    assert following.stdout.readline() == "up\n"
    following.send_signal(signal.SIGINT)
    _, err = following.communicate(timeout=20)
    assert following.returncode != 0 and "Traceback" not in err
    running = json.loads(signed_in.out("jobs", "list", "--state", "running", "--json"))["items"]
    signed_in.run("jobs", "stop", *(job["id"] for job in running))


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("jobs", "submit"), 2, "after --"),
        (("jobs", "submit", "x.yaml", "--", "true"), 2, "after --"),
        (("jobs", "submit", "--"), 2, "no command"),
        (("jobs", "submit", "nowhere.yaml"), 2, "nowhere.yaml"),
        (("jobs", "submit", "--env", "NOT_HERE", "--", "true"), 2, "NOT_HERE=VALUE"),
        (("jobs", "submit", "--gpus", "H100:4000", "--", "true"), 1, "H100"),
        (("jobs", "submit", "--pool", "nowhere", "--", "true"), 1, "nowhere"),
        (("jobs", "show", "job_nowhere"), 1, "no job"),
        (("jobs", "show", "../auth/me"), 1, "no"),
        (("jobs", "list", "--state", "odd"), 1, "odd"),
        (("jobs", "stop", "nope"), 1, "'nope' is not an id"),
        (("jobs", "list", "--limit", "0"), 2, "limit"),
        (("whoami", "--url", "not an address"), 2, "address"),
    ],
)
def test_what_is_refused_is_said(signed_in: Terminal, arguments: tuple[str, ...], status: int, said: str) -> None:
    out, err = signed_in.run(*arguments, status=status)
    assert out == "" and said.lower() in err.lower()


def test_nobody_is_told_to_sign_in(terminal: Terminal) -> None:
    assert "lattice login" in terminal.run("jobs", "list", status=3)[1]
    terminal.variables["LATTICE_API_KEY"] = "lk_" + "x" * 32
    assert "unknown, expired or revoked" in terminal.run("jobs", "list", status=3)[1]
    terminal.variables["LATTICE_API_KEY"] = "lk_\u2026"
    terminal.run("jobs", "list", status=3)


def test_a_server_that_is_away_is_told_apart(signed_in: Terminal) -> None:
    assert "can't be reached" in signed_in.run("whoami", "--url", "http://localhost:1", status=4)[1]


def test_a_key_goes_to_its_own_server_alone(terminal: Terminal, key: str) -> None:
    terminal.kept.parent.mkdir(parents=True)
    terminal.kept.write_text(json.dumps({"current": terminal.server.url, "keys": {terminal.server.url: key}}))
    terminal.kept.chmod(0o600)
    terminal.run("whoami")
    assert "not signed in" in terminal.run("whoami", "--url", "http://localhost:1", status=3)[1]
    terminal.kept.chmod(0o644)
    assert "chmod 600" in terminal.run("whoami", status=1)[1]


def keep(terminal: Terminal, text: str, mode: int = 0o600) -> None:
    terminal.kept.parent.mkdir(parents=True, exist_ok=True)
    terminal.kept.write_text(text)
    terminal.kept.chmod(mode)


def log_in(terminal: Terminal) -> str:
    """Log in at the server that the terminal finds by itself; the key that is kept then."""
    process = terminal.start("login", "--days", "3")
    sent = {"user_code": code_of(process), "decision": "approve", "scopes[]": ["compute:write"], "days": "3"}
    assert terminal.server.signed_in().post("/device", data=sent).status_code == 200
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    return str(json.loads(terminal.kept.read_text())["keys"][terminal.server.url])


NOT_OURS = ["{", "[]", '{"current": 5, "keys": [1]}', '{"current": null, "keys": {"http://h": 5}}', "[" * 100_000]


@pytest.mark.parametrize("text", NOT_OURS, ids=["cut", "list", "types", "key", "deep"])
def test_a_file_that_no_login_wrote_is_said_to_be_one(terminal: Terminal, text: str) -> None:
    keep(terminal, text)
    assert "`lattice login` writes it anew" in terminal.run("whoami", status=1)[1]


def test_where_the_environment_says_all_no_file_is_read(signed_in: Terminal) -> None:
    keep(signed_in, "{", 0o644)
    signed_in.run("whoami")
    del signed_in.variables["LATTICE_API_KEY"]
    assert "chmod 600" in signed_in.run("whoami", status=1)[1]


def test_without_a_home_folder_the_environment_is_enough(signed_in: Terminal) -> None:
    def whoami() -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in signed_in.environment().items() if name != "HOME"}
        code = "import pwd; pwd.getpwuid = lambda _: {}[0]; from app.cli.main import main; main()"
        return subprocess.run(
            [sys.executable, "-P", "-c", code, "whoami"], env=environment, capture_output=True, text=True, check=False
        )

    assert whoami().returncode == 0
    del signed_in.variables["LATTICE_API_KEY"]
    nowhere = whoami()
    assert nowhere.returncode == 1 and "set HOME" in nowhere.stderr and "Traceback" not in nowhere.stderr


def test_login_replaces_what_is_kept_and_revokes_it(serving: Server, terminal: Terminal) -> None:
    """Also where others could read the file: that login would cure it is what was advised."""
    terminal.variables = {"LATTICE_URL": ""}  # the address is the kept one
    old = str(serving.with_key("compute:write").headers["Authorization"]).removeprefix("Bearer ")
    other = {"http://other.test": "lk_other"}
    keep(terminal, json.dumps({"current": serving.url, "keys": {serving.url: old, **other}}), 0o644)
    new = log_in(terminal)
    assert terminal.kept.stat().st_mode & 0o777 == 0o600
    assert json.loads(terminal.kept.read_text())["keys"] == {serving.url: new, **other}
    assert serving.client(Authorization=f"Bearer {old}").get("/api/v1/auth/me").status_code == 401
    assert new != old and serving.url in terminal.out("whoami")


def test_login_replaces_a_file_that_is_none_or_that_others_could_have_written(terminal: Terminal) -> None:
    for text, mode in (("{", 0o600), ('{"current": "http://evil.test", "keys": {}}', 0o666)):
        keep(terminal, text, mode)
        key = log_in(terminal)
        assert json.loads(terminal.kept.read_text()) == {
            "current": terminal.server.url, "keys": {terminal.server.url: key},
        }  # fmt: skip


def test_a_new_key_that_cannot_be_kept_is_revoked_and_the_old_one_stays(serving: Server, terminal: Terminal) -> None:
    old = log_in(terminal)
    process = terminal.start("login")
    code = code_of(process)
    terminal.kept.unlink()
    terminal.kept.mkdir()  # so that nothing can be put there
    sent = {"user_code": code, "decision": "approve", "scopes[]": ["compute:write"], "days": "3"}
    browser = serving.signed_in()
    assert browser.post("/device", data=sent).status_code == 200
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1 and "can't be written" in err and "Traceback" not in err
    assert serving.client(Authorization=f"Bearer {old}").get("/api/v1/auth/me").status_code == 200
    newest = browser.get("/api/v1/api-keys").json()["items"][0]
    assert newest["state"] == "revoked" and not list(terminal.kept.parent.glob(".*"))


def test_completion_is_offered(terminal: Terminal) -> None:
    terminal.variables["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"
    assert "_LATTICE_COMPLETE" in terminal.out("--show-completion", "bash")


def test_the_help_imports_no_client_library() -> None:
    code = "import sys, app.cli.main; assert not {'httpx2', 'yaml', 'sqlalchemy', 'pydantic'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
