"""What a specification is held against: a pool's name, its nodes, and what its provider can do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.engines.protocol import Isolation, NodeReport
from app.jobs.resources import same_model


class Feature(StrEnum):
    """What some providers can do and others can't; a field that needs a missing one is refused by name."""

    GIT = "git"  # workdir as a repository
    STORAGE = "storage"  # file_mounts
    VOLUMES = "volumes"
    CONFIG = "config"  # SkyPilot's own settings
    REGISTRY_LOGIN = "registry_login"  # SKYPILOT_DOCKER_USERNAME and the like
    REGIONS = "regions"
    INSTANCE_TYPE = "instance_type"
    SPOT = "spot"
    PORTS = "ports"
    DISK = "disk"
    NETWORK_TIER = "network_tier"
    AUTOSTOP = "autostop"
    MACHINE_IMAGE = "machine_image"
    ACCELERATOR_ARGS = "accelerator_args"
    LABELS = "labels"
    PRIORITY_CLASS = "priority_class"
    COST_LIMIT = "cost_limit"  # max_hourly_cost


OWNED = frozenset({Feature.GIT, Feature.COST_LIMIT})  # machines of one's own: they cost nothing by the hour
ALIASES = {"k8s": "kubernetes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFacts:
    """`nodes` as the engine reported them, drained ones included; empty while they are not known.

    `max_stop_grace` in seconds; the defaults are what a job gets that names no cpus or memory.
    """

    name: str
    provider: str = "local"
    isolation: Isolation = Isolation.NONE
    nodes: tuple[NodeReport, ...] = ()
    supports: frozenset[Feature] = OWNED
    default_cpu_tenths: int = 10
    default_memory_tenths: int = 10
    max_stop_grace: float = 900

    def __str__(self) -> str:
        return f"pool {self.name}"

    @property
    def gpu_models(self) -> tuple[str, ...]:
        return tuple(sorted({gpu.model for node in self.nodes for gpu in node.gpus}))

    def spelled(self, model: str) -> str:
        """The model as the pool's nodes spell it, or as it was written where they have none."""
        return next((known for known in self.gpu_models if same_model(known, model)), model)

    def is_called(self, infra: str) -> bool:
        """Whether SkyPilot's `infra`, such as "*", "k8s/lab" or this pool's name, can mean this pool."""
        kind, _, place = infra.strip().partition("/")
        if same_model(infra.strip(), self.name):
            return True
        kind = ALIASES.get(kind.lower(), kind.lower())
        return kind in {"*", self.provider.lower()} and place.lower() in {"", "*", "*/*", self.name.lower()}
