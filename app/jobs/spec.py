"""A job as it is submitted (`JobSubmit`) and as it is stored (`to_spec`, `from_spec`): the same fields, checked.

A body, a form and a SkyPilot task YAML all become a `JobSubmit`. The stored form is plain JSON, never holds the value
of a secret, and is what a job is shown, copied and submitted again from. What a given pool can't honour is said by
`refusals.refusals`; what the scheduler needs is made by `refusals.needs_of`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from app.durations import format_duration, parse_duration
from app.engines.protocol import Signal, StopPolicy
from app.jobs.form_fields import from_form_fields, in_form
from app.jobs.resource_spec import JobRecovery, Resources
from app.jobs.values import (
    LINE_MOST,
    NAME_MOST,
    SCRIPT_MOST,
    Line,
    Path,
    check_image,
    check_name,
    check_plain,
    check_run,
    check_script,
    check_team,
    mapping,
    or_null,
    variables,
    whole,
    wrong,
)
from app.jobs.workdir import GitWorkdir, checkout, fill_in
from app.web.forms import Mistake, as_written
from app.web.problems import FieldError

SPEC_MOST = 512_000  # bytes of the stored form
VALUES_MOST = 200_000  # bytes of all variables together
PRIORITY_MOST = 1000
NODES_MOST = 1000
GRACE_MOST = 86_400

Seconds = Annotated[int, BeforeValidator(parse_duration, json_schema_input_type=str | float)]
Grace = Annotated[
    int,
    BeforeValidator(lambda value: parse_duration(value, least=0, most=GRACE_MOST), json_schema_input_type=str | float),
]
Variables = dict[str, str | int | float | bool]
DEFAULT_STOP = StopPolicy()


def _signal(value: object) -> object:
    name = str(value).upper().removeprefix("SIG")
    if name not in {s.value for s in Signal}:
        raise ValueError(f"Choose one of {', '.join(Signal)}.")
    return name


class Stop(BaseModel):
    """How the job is stopped: the signal, then the time that it has before it is killed.

    Where `grace` is left out it is 30 s, or what the pool gives at most if that is less.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    signal: Annotated[Signal, BeforeValidator(_signal, json_schema_input_type=str)] = DEFAULT_STOP.signal
    grace: Grace = int(DEFAULT_STOP.grace)

    @property
    def asked_grace(self) -> int | None:
        """None where it was left out."""
        return self.grace if "grace" in self.model_fields_set else None


def _envs(value: object) -> dict[str, str]:
    return variables(value, 'It has no value: give one; an empty one is written "".')


def _secrets(value: object) -> dict[str, str]:
    if value == []:
        return {}
    if isinstance(value, list):
        raise ValueError("Give a map from names to values: there is no store of secrets that names alone could mean.")
    return variables(value, "Give the value of this secret: it is not shown again, so it has to be given each time.")


MOUNT = "A path here would be on your own disk, which the job can't see. Fetch the file in setup, or name a bucket."


def _file_mounts(value: object) -> dict[str, Any]:
    mounts = mapping(value)
    mistakes: list[tuple[Path, str]] = []
    for target, source in mounts.items():
        if isinstance(source, str) and not _is_remote(source):
            mistakes.append(((target,), MOUNT))
        if isinstance(source, dict):
            inner = source.get("source")
            sources = inner if isinstance(inner, list) else [inner]
            if any(isinstance(one, str) and not _is_remote(one) for one in sources):
                mistakes.append(((target, "source"), MOUNT))
        if not isinstance(source, str | dict):
            mistakes.append(((target,), "Give the address of a bucket, or a map that describes one."))
    if mistakes:
        raise wrong(mistakes[:50])
    return mounts


def _is_remote(source: str) -> bool:
    return bool(re.match(r"(?!file:)[a-z][a-z0-9+.-]*://", source, re.IGNORECASE))


class JobSubmit(BaseModel):
    """A job to run. Only `run` is needed; amounts under `resources` are for each of `num_nodes` nodes."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=or_null)

    run: Annotated[str, Field(max_length=SCRIPT_MOST), BeforeValidator(check_run)]
    name: Annotated[str, Field(max_length=NAME_MOST), BeforeValidator(check_name)] = ""
    pool: Line | None = Field(default=None, description="Name or id of a node pool; the only one where there is one.")
    setup: Annotated[str, Field(max_length=SCRIPT_MOST), BeforeValidator(check_script)] | None = None
    envs: Annotated[dict[str, str], BeforeValidator(_envs, json_schema_input_type=Variables)] = Field(
        default_factory=dict
    )
    secrets: Annotated[dict[str, SecretStr], BeforeValidator(_secrets, json_schema_input_type=Variables)] = Field(
        default_factory=dict
    )
    workdir: GitWorkdir | None = None
    file_mounts: Annotated[dict[str, Any], BeforeValidator(_file_mounts)] = Field(default_factory=dict)
    volumes: Annotated[dict[str, Any], BeforeValidator(mapping)] = Field(default_factory=dict)
    config: Annotated[dict[str, Any], BeforeValidator(mapping)] = Field(default_factory=dict)
    resources: Resources = Field(default_factory=Resources)
    num_nodes: Annotated[int, Field(ge=1, le=NODES_MOST), whole(1, NODES_MOST)] = 1
    image: Annotated[str, Field(max_length=LINE_MOST), BeforeValidator(check_image)] | None = Field(
        default=None, description="A container image; needs a pool that runs containers."
    )
    priority: Annotated[int, Field(ge=-PRIORITY_MOST, le=PRIORITY_MOST), whole(-PRIORITY_MOST, PRIORITY_MOST)] = 0
    max_duration: Seconds | None = None
    visibility: Literal["private", "team", "organization"] = "organization"
    team: Line | None = Field(default=None, description="Name or id of the team that sees it, with visibility team.")
    stop: Stop = Field(default_factory=Stop)

    @model_validator(mode="after")
    def _team_with_its_visibility(self) -> JobSubmit:
        check_team(self.visibility == "team", self.team)
        return self

    @classmethod
    def from_form(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """The console's form as values for this model: see `form_fields`."""
        return from_form_fields(fields)

    @classmethod
    def in_form(cls, typed: Mapping[str, Any], errors: Sequence[FieldError]) -> list[Mistake]:
        """Mistakes where the console's form has them; those of a task as the task names them."""
        return as_written(errors) if typed.get("task_yaml") else in_form(errors)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        if not isinstance(value, dict):
            raise ValueError("Give a map of fields.")
        check_plain(value)
        given = {str(key): inner for key, inner in value.items() if inner is not None}
        _lift(given)
        envs = given.get("envs")
        for name in ("workdir", "file_mounts", "volumes"):
            if name in given and isinstance(envs, dict):
                given[name] = fill_in(given[name], envs)
        return given

    @model_validator(mode="after")
    def _whole(self) -> JobSubmit:
        if twice := sorted(set(self.envs) & set(self.secrets)):
            raise wrong([(("secrets", twice[0]), f"{twice[0]} stands among envs too: give it once.")])
        values = [*self.envs.items(), *self.secret_values().items()]
        if sum(len(name.encode()) + len(value.encode()) + 2 for name, value in values) > VALUES_MOST:
            raise wrong([(("envs",), f"The variables have more than {VALUES_MOST:,} bytes together.")])
        if not self.name:
            object.__setattr__(self, "name", default_name(self.run))
        if len(orjson.dumps(self.spec)) > SPEC_MOST:
            raise ValueError(f"The job's specification is larger than {SPEC_MOST:,} bytes.")
        return self

    @cached_property
    def spec(self) -> dict[str, Any]:
        """The stored form: see `to_spec`."""
        return to_spec(self)

    @property
    def job_recovery(self) -> JobRecovery | None:
        return self.resources.job_recovery

    def stop_grace(self, most: float) -> float:
        """The seconds that it has in a pool that gives `most`."""
        asked = self.stop.asked_grace
        return min(DEFAULT_STOP.grace, most) if asked is None else float(asked)

    @property
    def setup_script(self) -> str | None:
        """What an attempt runs before `run`: the checkout of `workdir`, then `setup`."""
        parts = [checkout(self.workdir) if self.workdir else "", self.setup or ""]
        return "\n".join(part for part in parts if part) or None

    def secret_values(self) -> dict[str, str]:
        """Never log or store these as they are."""
        return {name: secret.get_secret_value() for name, secret in self.secrets.items()}


def _lift(given: dict[str, Any]) -> None:
    """SkyPilot has the priority and the container image under `resources`; here they are the job's own."""
    resources = given.get("resources")
    if not isinstance(resources, dict):
        return
    resources = given["resources"] = dict(resources)
    image = resources.get("image_id")
    if isinstance(image, str) and image.startswith("docker:"):
        resources["image_id"] = None
        _put(given, "image", image.removeprefix("docker:"), "image_id")
    if (priority := resources.pop("priority", None)) is not None:
        _put(given, "priority", priority, "priority")


def _put(given: dict[str, Any], name: str, value: object, inner: str) -> None:
    if name in given and str(given[name]) != str(value):
        raise wrong([((name,), f"Give {name} or resources.{inner}, not both.")])
    given[name] = value


def default_name(run: str) -> str:
    """A readable name made of the first command: "python train.py --lr 3" is "python-train.py"."""
    lines = (line.strip() for line in run.splitlines())
    first = next((line for line in lines if line and not line.startswith(("#", "set ", "cd "))), "")
    words = [w for w in first.split() if re.match(r"[A-Za-z0-9./]", w) and "=" not in w][:2]
    slug = re.sub(r"[^A-Za-z0-9._]+", "-", "-".join(word.rsplit("/", 1)[-1] for word in words)).strip("-._")
    return slug[:40].rstrip("-._") or "job"


def to_spec(body: JobSubmit) -> dict[str, Any]:
    """The stored form: plain JSON with only what differs from the defaults, secrets as names with null."""
    resources = body.resources.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    for choice in (resources, *resources.get("any_of", ()), *resources.get("ordered", ())):
        if len(choice.get("accelerators", ())) == 1:
            (choice["accelerators"],) = choice["accelerators"]
    whole_spec = {
        "name": body.name,
        "pool": body.pool,
        "workdir": body.workdir.model_dump(exclude_none=True) if body.workdir else None,
        "num_nodes": body.num_nodes if body.num_nodes > 1 else None,
        "resources": resources,
        "image": body.image,
        "envs": body.envs,
        "secrets": dict.fromkeys(body.secrets),
        "file_mounts": body.file_mounts,
        "volumes": body.volumes,
        "config": body.config,
        "setup": body.setup,
        "run": body.run,
        "priority": body.priority or None,
        "max_duration": format_duration(body.max_duration) if body.max_duration else None,
        "visibility": body.visibility if body.visibility != "organization" else None,
        "team": body.team,
        "stop": _stop_spec(body.stop),
    }
    return {key: value for key, value in whole_spec.items() if value not in (None, {}, [])}


def _stop_spec(stop: Stop) -> dict[str, Any]:
    grace = {} if stop.asked_grace is None else {"grace": format_duration(stop.asked_grace)}
    return grace if stop.signal is DEFAULT_STOP.signal else {"signal": stop.signal.value, **grace}


def from_spec(spec: Mapping[str, Any], secrets: Mapping[str, str]) -> JobSubmit:
    """The stored form back, with the secrets' values. Raises pydantic's ValidationError where a value is missing."""
    values = {name: secrets.get(name) for name in spec.get("secrets", {})}
    return JobSubmit.model_validate({**spec, "secrets": values})
