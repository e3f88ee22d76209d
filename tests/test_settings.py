"""A wrong setting stops the start with a sentence that names it, shows what was written and says what is expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.settings import Settings, SettingsError, load_settings

PROXY = "the proxy's address or network, such as 10.0.0.5 or 10.0.0.0/24."
HOST = "no host name such as lattice.example.org, without scheme, port, path or wildcard."
ADDRESS = "expected an address such as https://lattice.example.org, without a path."


def loaded(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings(_env_file=None)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "web", "expected a whole number."),
        ("PORT", "99999", "expected at most 65,535."),
        ("LATTICE_BODY_LIMIT", "1", "expected at least 1,024."),
        ("LATTICE_KEEP_LOGS_DAYS", "999999999", "expected at most 36,500."),
        ("LATTICE_MAX_STOP_GRACE", "soon", "expected a number."),
        ("LATTICE_MAX_STOP_GRACE", "inf", "expected at most 86,400."),
        ("LATTICE_DEV", "maybe", "expected true or false."),
        ("LATTICE_LOG_LEVEL", "loud", "expected debug, info, warning or error."),
        ("LATTICE_FAKE_GPUS", "nonsense", "'nonsense' is no model and count such as H100:8."),
        ("LATTICE_FAKE_GPUS", "A100:4,H100:-1", "'H100:-1' is no model and count such as H100:8."),
        ("FORWARDED_ALLOW_IPS", "nonsense", f"'nonsense' is not {PROXY}"),
        ("FORWARDED_ALLOW_IPS", "*", f"'*' is not {PROXY}"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.5,0.0.0.0/0", f"'0.0.0.0/0' is not {PROXY}"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.5/8", f"'10.0.0.5/8' is not {PROXY}"),
        ("ALLOWED_HOSTS", "https://x.org", f"'https://x.org' is {HOST}"),
        ("ALLOWED_HOSTS", "x.org,y.org:8080", f"'y.org:8080' is {HOST}"),
        ("ALLOWED_HOSTS", "*.x.org", f"'*.x.org' is {HOST}"),
        ("BASE_URL", "https://x.org:web", ADDRESS),
        ("BASE_URL", "x.org", ADDRESS),
        ("BASE_URL", "https://ex ample.org", ADDRESS),
        ("LATTICE_DATA_DIR", "/srv/a?1", "expected a path without ?, %, # and $."),
        ("LATTICE_DATA_DIR", "$HOME/data", "expected a path without ?, %, # and $."),
        ("LATTICE_DATA_DIR", "~no-such-user/data", "its ~ names nobody's home."),
    ],
)
def test_it_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        loaded(monkeypatch, **{name: value})
    assert str(wrong.value) == f"{name} is {value!r}, but {expected}"


@pytest.mark.parametrize(
    ("name", "meant"), [("LATTICE_DATADIR", "LATTICE_DATA_DIR"), ("AUTH_CLIENTID", "AUTH_CLIENT_ID")]
)
def test_a_name_that_is_nearly_a_settings_is_told(monkeypatch: pytest.MonkeyPatch, name: str, meant: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        loaded(monkeypatch, **{name: "x"})
    assert str(wrong.value) == f"The environment has {name}, which is no setting; is it {meant}?"


@pytest.mark.parametrize(
    "name", ["LATTICE_JOB_ID", "LATTICE_STOP_FILE", "LATTICE_CONTAINER", "LATTICE_URL", "AUTH_TOKEN"]
)
def test_names_of_jobs_and_scripts_are_no_settings(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert loaded(monkeypatch, **{name: "x"})


@pytest.mark.parametrize("value", ["mysql://u:hidden@h/d", "postgresql://u:hidden@h:port/d", "sqlite://", "sqlite:///"])
def test_the_database_is_named_and_its_password_is_not_shown(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL is wrong: expected sqlite:///PATH or") as wrong:
        loaded(monkeypatch, DATABASE_URL=value)
    assert "hidden" not in str(wrong.value)


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("FORWARDED_ALLOW_IPS", "10.0.0.5, 10.1.0.0/16, fd00::/8", ("10.0.0.5", "10.1.0.0/16", "fd00::/8")),
        ("ALLOWED_HOSTS", "lattice, gpu-1.lab.test, [::1]", ("lattice", "gpu-1.lab.test", "[::1]")),
        ("LATTICE_FAKE_GPUS", "A100-80GB:4, L4:2", "A100-80GB:4, L4:2"),
        ("DATABASE_URL", "postgres://u:p%40@h:5432/d", "postgresql+psycopg://u:p%40@h:5432/d"),
    ],
)  # fmt: skip
def test_what_is_right_is_taken(monkeypatch: pytest.MonkeyPatch, name: str, value: str, read: Any) -> None:
    assert getattr(loaded(monkeypatch, **{name: value}), name.lower()) == read


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("LATTICE_DATA_DIRR=x", ".env has LATTICE_DATA_DIRR, which is no setting; is it LATTICE_DATA_DIR?"),
        ("AUTH_KEY=hidden", ".env has AUTH_KEY, which is no setting; is it AUTH_API_KEY?"),
        ("LATTICE_XYZZY=x", ".env has LATTICE_XYZZY, which is no setting."),
        ("AUTH_API_KEY hidden", ".env, line 3, sets nothing: expected NAME=VALUE."),
    ],
)
def test_a_line_of_the_file_that_sets_nothing_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, sentence: str
) -> None:
    (tmp_path / ".env").write_text(f"PORT=8123\n\n{line}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as wrong:
        load_settings()
    assert str(wrong.value) == sentence


def test_other_programs_may_have_settings_in_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# ours\nPORT=8123\nCOMPOSE_PROJECT_NAME=x\nLATTICE_URL=http://localhost:8123\n")
    monkeypatch.chdir(tmp_path)
    assert load_settings().port == 8123


def test_the_address_is_written_as_browsers_do(monkeypatch: pytest.MonkeyPatch) -> None:
    made = loaded(monkeypatch, BASE_URL="HTTPS://Lattice.Example.ORG:8443/")
    assert made.url == "https://lattice.example.org:8443" and made.secure_cookies


def test_a_tilde_is_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(monkeypatch, LATTICE_DATA_DIR="~/data").lattice_data_dir == Path.home() / "data"


def test_a_file_in_another_encoding_is_named_with_its_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_bytes("PORT=8000\n# für uns\n".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"\.env, line 2, is not UTF-8\."):
        load_settings()
