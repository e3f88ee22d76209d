"""`resources` of a job as it is submitted: SkyPilot's fields and forms, each kept in one canonical form.

What a pool can't honour is not decided here but in `refusals`; this only knows what can be written.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.jobs.resources import MOST_CHOICES, parse_accelerators, parse_cpus, parse_memory
from app.jobs.values import Line, mapping, or_null, text_of, whole, wrong

STRATEGIES = ("failover", "eager_next_region", "none")
PORTS_MOST = 100


def _ports(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list | tuple) else [value]
    if len(items) > PORTS_MOST:
        raise ValueError(f"At most {PORTS_MOST} ports are taken.")
    return tuple(_port(item) for item in items)


def _port(item: object) -> str:
    found = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", str(item).strip())
    if isinstance(item, bool) or not found or not 1 <= int(found[1]) <= int(found[2] or found[1]) <= 65535:
        raise ValueError(f'{str(item)[:40]!r} is not a port such as 8080, or a range such as "8000-8010".')
    return found[0]


def _disk_size(value: object) -> int:
    gib, rest = divmod(parse_memory(value).tenths, 10)
    return gib + bool(rest)


def _labels(value: object) -> dict[str, str]:
    labels = mapping(value)
    if len(labels) > 64 or any(len(key) > 255 for key in labels):
        raise ValueError("At most 64 labels of at most 255 characters are taken.")
    return {key: text_of(inner, 255) for key, inner in labels.items()}


def _image(value: object) -> str | dict[str, str]:
    if isinstance(value, dict):
        return {text_of(region, 255): text_of(image, 1000) for region, image in value.items()}
    return text_of(value, 1000)


def _autostop(value: object) -> object:
    if not isinstance(value, bool | int | str | dict) or (isinstance(value, str) and len(value) > 100):
        raise ValueError("Give true, false, a number of minutes, or a map.")
    return value


def _cost(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ValueError("Give a number of US dollars an hour, above 0.")
    return float(value)


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Give true or false.")
    return value


Accelerators = Annotated[
    tuple[str, ...],
    BeforeValidator(
        lambda value: tuple(str(a) for a in parse_accelerators(value)),
        json_schema_input_type=str | dict[str, float | None] | list[str | dict[str, float]],
    ),
]
Cpus = Annotated[str, BeforeValidator(lambda value: str(parse_cpus(value)), json_schema_input_type=str | float)]
Memory = Annotated[str, BeforeValidator(lambda value: str(parse_memory(value)), json_schema_input_type=str | float)]
Ports = Annotated[tuple[str, ...], BeforeValidator(_ports, json_schema_input_type=int | str | list[int | str])]


DiskSize = Annotated[int, BeforeValidator(_disk_size, json_schema_input_type=float | str)]
MachineImage = Annotated[Any, BeforeValidator(_image, json_schema_input_type=str | dict[str, str])]
Autostop = Annotated[Any, BeforeValidator(_autostop, json_schema_input_type=bool | int | str | dict[str, Any])]


ExitCode = Annotated[int, Field(ge=0, le=255), whole(0, 255)]


class JobRecovery(BaseModel):
    """When a job is run again: after a lost machine, exit code 75, these exit codes, or so many errors of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=or_null)

    strategy: Line = "failover"
    max_restarts_on_errors: Annotated[int, Field(ge=0, le=1000), whole(0, 1000)] = 0
    recover_on_exit_codes: Annotated[
        tuple[ExitCode, ...],
        Field(max_length=256),
        BeforeValidator(
            lambda value: [value] if isinstance(value, int) else value, json_schema_input_type=list[ExitCode] | ExitCode
        ),
    ] = ()

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        if not isinstance(value, dict):
            raise ValueError('Give the name of a strategy such as "failover", or a map.')
        return {str(key): inner for key, inner in value.items() if inner is not None}

    @model_validator(mode="after")
    def _known(self) -> JobRecovery:
        if self.strategy.lower() not in STRATEGIES:
            raise wrong([(("strategy",), f"There is no such strategy; choose one of {', '.join(STRATEGIES)}.")])
        return self

    @property
    def allows_another(self) -> bool:
        """Whether a lost, preempted or saved attempt is followed by another."""
        return self.strategy.lower() != "none"


Recovery = Annotated[
    JobRecovery,
    BeforeValidator(
        lambda value: {"strategy": value} if isinstance(value, str) else value, json_schema_input_type=str | JobRecovery
    ),
]


class Choice(BaseModel):
    """One way of having the resources. Amounts are for each node."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accelerators: Accelerators | None = None
    cpus: Cpus | None = None
    memory: Memory | None = None
    infra: Line | None = None
    cloud: Line | None = None
    region: Line | None = None
    zone: Line | None = None
    instance_type: Line | None = None
    use_spot: Annotated[bool, BeforeValidator(_yes_or_no)] | None = None
    image_id: MachineImage | None = None
    ports: Ports | None = None
    disk_size: DiskSize | None = None
    disk_tier: Line | None = None
    local_disk: Line | None = None
    network_tier: Line | None = None
    labels: Annotated[dict[str, str], BeforeValidator(_labels)] | None = None
    autostop: Autostop | None = None
    accelerator_args: Annotated[dict[str, Any], BeforeValidator(mapping)] | None = None
    max_hourly_cost: Annotated[float, BeforeValidator(_cost)] | None = None
    priority_class: Line | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        """Leave out what is null, and read SkyPilot's other names: `gpus`, `spot_recovery`."""
        if not isinstance(value, dict):
            raise ValueError("Give a map, such as: accelerators: H100:8")
        given = {str(key): inner for key, inner in value.items() if inner is not None}
        for other, name in ALIASES.items():
            if other in given:
                if name in given:
                    raise wrong([((other,), f"Give {other} or {name}, not both.")])
                given[name] = given.pop(other)
        return given


ALIASES = {"gpus": "accelerators", "spot_recovery": "job_recovery"}


class Resources(Choice):
    """What the job needs; `any_of` and `ordered` list choices, each of which overrides the fields beside them."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=or_null)

    job_recovery: Recovery | None = None
    any_of: tuple[Choice, ...] = Field(default=(), max_length=MOST_CHOICES)
    ordered: tuple[Choice, ...] = Field(default=(), max_length=MOST_CHOICES)

    @model_validator(mode="after")
    def _one_list(self) -> Resources:
        if self.any_of and self.ordered:
            raise wrong([(("ordered",), "Give any_of or ordered, not both.")])
        return self

    def choices(self) -> tuple[tuple[str, Choice], ...]:
        """The ways to have it, in order of preference, each with the dotted path of its own fields."""
        listed, name = (self.ordered, "ordered") if self.ordered else (self.any_of, "any_of")
        if not listed:
            return (("resources", self),)
        return tuple((f"resources.{name}.{i}", self._with(choice)) for i, choice in enumerate(listed))

    def _with(self, choice: Choice) -> Choice:
        mine = {name: getattr(self, name) for name in Choice.model_fields}
        own = {name: inner for name in Choice.model_fields if (inner := getattr(choice, name)) is not None}
        labels = {**(self.labels or {}), **(choice.labels or {})} or None
        return Choice.model_construct(**{**mine, **own, "labels": labels})

    def path(self, choice_path: str, field: str) -> str:
        """Where `field` of a choice was written: in the choice itself, or beside the list."""
        if choice_path == "resources":
            return f"resources.{field}"
        _, name, number = choice_path.split(".")
        own = getattr(getattr(self, name)[int(number)], field) is not None
        return f"{choice_path if own else 'resources'}.{field}"
