"""What may be sent to node pools. Only the fields that are present change anything."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator

from app.engines.protocol import Isolation
from app.jobs.amounts import tenths
from app.web.fields import NUMBER, Flag, one_line, storable

Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=300), AfterValidator(storable), AfterValidator(one_line)
]


def _in_tenths(amount: float) -> float:
    tenths(amount)
    return amount


Amount = Annotated[float, Field(ge=0.1, le=100_000), AfterValidator(_in_tenths), NUMBER]


class DefaultsUpdate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cpus: Amount | None = None
    memory: Annotated[Amount | None, Field(description="GiB.")] = None


class LimitsUpdate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    max_stop_grace: Annotated[float | None, Field(ge=1, le=86_400, description="Seconds."), NUMBER] = None
    log_limit: Annotated[int | None, Field(ge=1 << 20, le=1 << 40, description="Bytes."), NUMBER] = None


class PoolUpdate(BaseModel):
    """`drained` true places nothing more on the pool; `drain_reason` says why to whoever waits for it.

    A reason that is left out stays as it is; alone, it is a drained pool's new one.
    """

    model_config = ConfigDict(extra="forbid")

    drained: Flag | None = None
    drain_reason: Annotated[Reason | None, Field(description="Why it is drained.")] = None
    isolation: Isolation | None = None
    defaults: DefaultsUpdate | None = None
    limits: LimitsUpdate | None = None

    @field_validator("drain_reason")
    @classmethod
    def _of_a_drained_pool(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and info.data.get("drained") is False:
            raise ValueError("A pool that is opened has no reason to be drained: leave it out.")
        return value

    def reason_after(self, before: str) -> str:
        """Why the pool is drained once this is done, which was `before`."""
        return (self.drain_reason or "") if "drain_reason" in self.model_fields_set else before

    def columns(self) -> dict[str, Any]:
        """The columns to set, but for draining, which is an act of its own."""
        defaults, limits = self.defaults or DefaultsUpdate(), self.limits or LimitsUpdate()
        values = {
            "isolation": self.isolation,
            "default_cpu_tenths": tenths(defaults.cpus) if defaults.cpus is not None else None,
            "default_memory_tenths": tenths(defaults.memory) if defaults.memory is not None else None,
            "max_stop_grace": limits.max_stop_grace,
            "log_limit": limits.log_limit,
        }
        return {name: value for name, value in values.items() if value is not None}
