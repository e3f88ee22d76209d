"""Every setting, typed, from the environment and `.env`. A wrong one stops the start with a sentence that names it."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from dotenv.parser import parse_stream
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from app import fake_gpus

CALLBACK = "/api/v1/auth/callback"
CommaList = Annotated[tuple[str, ...], NoDecode]
GIB = 1 << 30
HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:@/\s]+)(?::\d{1,5})?")
HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
DAYS_MOST = 36_500
DATABASE_FORMS = "expected sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"


class SettingsError(Exception):
    """A setting is wrong; the message names it, shows the value and says what is expected."""


class Settings(BaseSettings):
    """Names in the environment are the field names in upper case. Sizes are in bytes, durations in seconds."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True, frozen=True)

    # where it listens and what it is called outside
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    base_url: str = ""  # empty: http://localhost:PORT
    allowed_hosts: CommaList = ()
    forwarded_allow_ips: CommaList = ()  # not this machine's own: the jobs of the local pool speak from there

    # what it keeps
    lattice_data_dir: Path = Path("data")
    lattice_store: str = ""  # a folder or s3://, gs://, az:// address for logs; empty: in the data folder
    database_url: str = ""  # empty: SQLite in the data folder
    lattice_secret_keys: CommaList = ()  # Fernet keys, newest first; empty: made in the data folder
    auth_cookie_password: CommaList = ()  # signs cookies, newest first; empty: made in the data folder

    # sign-in
    auth_api_key: str = ""
    auth_client_id: str = Field("", validate_default=True)
    auth_redirect_uri: str = ""  # empty: BASE_URL and CALLBACK
    auth_base_url: str = "https://api.workos.com"  # another WorkOS server: an emulator, a proxy
    auth_webhook_secret: str = ""  # checks that webhooks are WorkOS's; empty: none are taken
    auth_organization_id: str = ""  # the WorkOS organization that this server's first one stands for

    # the pool `local`
    lattice_local_pool: str = ""  # "on" or "off"; empty: on, but drained inside a container image
    lattice_fake_gpus: str = ""  # such as "H100:8", shown as fake
    lattice_in_container: bool = False  # set by the image

    # limits
    lattice_log_limit: int = Field(1 * GIB, ge=1 << 20, le=1 << 40)
    lattice_body_limit: int = Field(1 << 20, ge=1 << 10)
    lattice_rate_limits: CommaList = ()  # such as "writes=60000/minute, sign-in=60/minute"; web/limits.py has the table
    lattice_max_stop_grace: float = Field(900, ge=1, le=86_400)

    # how long things are kept, in days
    lattice_keep_folders_days: int = Field(7, ge=0, le=DAYS_MOST)
    lattice_keep_logs_days: int = Field(90, ge=1, le=DAYS_MOST)
    lattice_keep_rows_days: int = Field(365, ge=1, le=DAYS_MOST)

    lattice_log_level: str = "warning"
    lattice_dev: bool = False

    @model_validator(mode="before")
    @classmethod
    def _placeholders_are_unset(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in values.items() if not (isinstance(v, str) and v.strip().startswith("your_"))}

    @field_validator(
        "allowed_hosts",
        "forwarded_allow_ips",
        "lattice_secret_keys",
        "auth_cookie_password",
        "lattice_rate_limits",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(p.strip() for p in value.split(",") if p.strip()) if isinstance(value, str) else value

    @field_validator("auth_client_id")
    @classmethod
    def _with_its_key(cls, value: str, info: ValidationInfo) -> str:
        if bool(value) != bool(info.data.get("auth_api_key")):
            raise ValueError("it and AUTH_API_KEY are set together, or neither is")
        return value

    @field_validator("auth_redirect_uri")
    @classmethod
    def _under_base_url(cls, value: str, info: ValidationInfo) -> str:
        own = info.data.get("base_url") or f"http://localhost:{info.data.get('port', 8000)}"
        if value and value.lower() != own + CALLBACK:
            raise ValueError(f"it must lie under BASE_URL: {own}{CALLBACK}")
        return value

    @field_validator("base_url", "auth_base_url")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if not value:
            return value
        if not _is_origin(value):
            raise ValueError("expected an address such as https://lattice.example.org, without a path")
        scheme, _, rest = value.rstrip("/").partition("://")
        return f"{scheme.lower()}://{rest.lower()}"  # as browsers write origins

    @field_validator("lattice_data_dir")
    @classmethod
    def _plain_path(cls, value: Path) -> Path:
        """`~` is a home, as in a shell. The others would be taken for parts of the database's address, or expanded."""
        if set("?%#$") & set(str(value)):
            raise ValueError("expected a path without ?, %, # and $")
        try:
            return value.expanduser()
        except RuntimeError:
            raise ValueError("its ~ names nobody's home") from None

    @field_validator("allowed_hosts")
    @classmethod
    def _host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            if not HOST_NAME.fullmatch(host) and not _is_address(host.strip("[]")):
                raise ValueError(
                    f"{host!r} is no host name such as lattice.example.org, without scheme, port, path or wildcard"
                )
        return value

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Who is believed is named: where everybody is, each client chooses its own address."""
        for proxy in value:
            if not _is_address(proxy) and not _is_network(proxy):
                raise ValueError(f"{proxy!r} is not the proxy's address or network, such as 10.0.0.5 or 10.0.0.0/24")
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if not value:
            return value
        if value.startswith(("postgresql://", "postgres://")):
            return "postgresql+psycopg://" + value.split("://", 1)[1]
        if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError(DATABASE_FORMS)
        return value

    @field_validator("database_url")
    @classmethod
    def _readable(cls, value: str) -> str:
        try:
            url = make_url(value) if value else None
        except (ArgumentError, ValueError):
            raise ValueError(DATABASE_FORMS) from None
        if url is not None and url.drivername == "sqlite" and url.database in {None, "", ":memory:"}:
            raise ValueError(DATABASE_FORMS)
        return value

    @field_validator("lattice_fake_gpus")
    @classmethod
    def _models_and_counts(cls, value: str) -> str:
        fake_gpus.parse(value)
        return value

    @field_validator("lattice_local_pool")
    @classmethod
    def _on_or_off(cls, value: str) -> str:
        if value.lower() not in {"", "on", "off"}:
            raise ValueError("expected on or off")
        return value.lower()

    @field_validator("lattice_log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.lower() not in {"debug", "info", "warning", "error"}:
            raise ValueError("expected debug, info, warning or error")
        return value.lower()

    @field_validator("auth_cookie_password")
    @classmethod
    def _long_enough(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(len(password) < 32 for password in value):
            raise ValueError("expected at least 32 characters")
        return value

    @property
    def url(self) -> str:
        """Where people reach this server: scheme, host and port, no trailing slash."""
        return self.base_url or f"http://localhost:{self.port}"

    @property
    def has_workos(self) -> bool:
        return bool(self.auth_api_key and self.auth_client_id)

    @property
    def redirect_uri(self) -> str:
        return self.auth_redirect_uri or self.url + CALLBACK

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.lattice_data_dir.resolve() / 'lattice.db'}"

    @property
    def secure_cookies(self) -> bool:
        return self.url.startswith("https://")

    @cached_property
    def known_hosts(self) -> frozenset[str]:
        """Host names (without port) that a request may name, besides literal addresses."""
        own = urlsplit(self.url).hostname or "localhost"
        return frozenset({own.lower(), "localhost", *(h.lower() for h in self.allowed_hosts)})

    def is_known_host(self, host: str) -> bool:
        """Whether a request may name this host: one of ours or a literal address, with or without a port."""
        found = HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1].lower()
        return name in self.known_hosts or _is_address(name.strip("[]"))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_network(text: str) -> bool:
    """A network without host bits, and not all of the internet."""
    try:
        return "/" in text and ipaddress.ip_network(text).prefixlen > 0
    except ValueError:
        return False


def _is_origin(text: str) -> bool:
    """Scheme, host and port, and nothing else."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    if not HOST.fullmatch(parts.netloc) or any(c.isspace() for c in text):
        return False
    beyond = parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username is not None
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not beyond


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; raises `SettingsError` whose text is one sentence for each wrong one."""
    _check_encoding(Path(".env"))
    misspelt = [*_misspelt_in_file(Path(".env")), *_misspelt_in_environment()]
    try:
        settings = Settings(**overrides)
    except ValidationError as wrong:
        raise SettingsError(" ".join([*misspelt, *(_sentence(dict(e)) for e in wrong.errors())])) from None
    if misspelt:
        raise SettingsError(" ".join(misspelt))
    return settings


def _check_encoding(file: Path) -> None:
    for number, line in enumerate(file.read_bytes().splitlines() if file.is_file() else (), 1):
        try:
            line.decode()
        except UnicodeDecodeError:
            raise SettingsError(f"{file}, line {number}, is not UTF-8.") from None


OURS = ("LATTICE_", "AUTH_")  # other programs may have settings of theirs in the file
OF_OTHERS = {"LATTICE_URL", "LATTICE_API_KEY", "LATTICE_CONTAINER", "LATTICE_IMAGE", "LATTICE_VOLUME"}


def _misspelt_in_environment() -> Iterator[str]:
    """A sentence for each name that is nearly a setting's; others with our prefixes are a job's, or a script's."""
    known = {name.upper() for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.startswith(OURS) and name not in known | OF_OTHERS:
            for near in get_close_matches(name, known, 1, cutoff=0.85):
                yield f"The environment has {name}, which is no setting; is it {near}?"


def _misspelt_in_file(file: Path) -> Iterator[str]:
    """A sentence for each line of the file that sets nothing, and would otherwise be passed over in silence."""
    if not file.is_file():
        return
    known = {name.upper() for name in Settings.model_fields}
    with file.open(encoding="utf-8") as lines:
        for line in parse_stream(lines):
            if line.error:
                text = line.original.string
                number = line.original.line + len(text) - len(text.lstrip("\n"))
                yield f"{file}, line {number}, sets nothing: expected NAME=VALUE."
            elif line.key and line.key.upper().startswith(OURS) and line.key.upper() not in known | OF_OTHERS:
                near = get_close_matches(line.key.upper(), known, 1, cutoff=0.78)
                yield f"{file} has {line.key}, which is no setting{f'; is it {near[0]}?' if near else '.'}"


SECRET = {"AUTH_API_KEY", "AUTH_WEBHOOK_SECRET", "AUTH_COOKIE_PASSWORD", "LATTICE_SECRET_KEYS", "DATABASE_URL"}


EXPECTED = {
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "int_parsing_size": "expected a smaller number",
    "float_parsing": "expected a number",
    "bool_parsing": "expected true or false",
    "greater_than_equal": "expected at least {ge:,.0f}",
    "less_than_equal": "expected at most {le:,.0f}",
}


def _sentence(error: dict[str, Any]) -> str:
    name = str(error["loc"][0]).upper() if error["loc"] else "The settings"
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] in EXPECTED:
        message = EXPECTED[error["type"]].format(**error.get("ctx", {}))
    shown = "" if name in SECRET else f" is {_as_written(error['input'])!r}, but"
    return f"{name}{shown or ' is wrong:'} {message[:1].lower()}{message[1:]}."


def _as_written(value: object) -> object:
    return ",".join(value) if isinstance(value, tuple) else value
