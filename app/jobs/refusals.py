"""What a pool can't honour of a job, said by name before anything is queued; and the needs that remain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.durations import format_duration
from app.engines.protocol import Isolation, NodeReport
from app.jobs.needs import Alternative, Needs
from app.jobs.pool_facts import Feature, PoolFacts
from app.jobs.resource_spec import Choice
from app.jobs.resources import Accelerator, format_tenths, parse_accelerators, parse_cpus, parse_memory, same_model
from app.jobs.spec import JobSubmit
from app.web.problems import FieldError

MOST = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a pool says of a job: `refusals` is empty where it can run it. `needs` are the alternatives that it can
    honour and could ever hold, for the scheduler; all of them where there is none.
    """

    refusals: list[FieldError]
    needs: Needs


def judge(body: JobSubmit, pool: PoolFacts) -> Verdict:
    """Hold the job against the pool. An alternative that it can't honour counts only where none remains."""
    mistakes = list(_of_job(body, pool))
    alternatives = list(_alternatives(body, pool))
    able = [found for found in alternatives if not found.mistakes]
    if not able:
        mistakes += [mistake for found in alternatives for mistake in found.mistakes]
    needs = dict.fromkeys(found.needs for found in able or alternatives)
    return Verdict(list(dict.fromkeys(mistakes))[:MOST], Needs(alternatives=tuple(needs), num_nodes=body.num_nodes))


@dataclass(frozen=True, slots=True)
class _Found:
    needs: Alternative
    mistakes: tuple[FieldError, ...]


def _alternatives(body: JobSubmit, pool: PoolFacts) -> Iterator[_Found]:
    for path, choice in body.resources.choices():

        def at(field: str, path: str = path) -> str:
            return body.resources.path(path, field)

        unable = tuple(FieldError(at(field), text) for field, text in _of_choice(choice, pool))
        for accelerator in parse_accelerators(list(choice.accelerators)) if choice.accelerators else (None,):
            needs = _needs(choice, accelerator, pool)
            too_much = _too_much(needs, pool) or _too_many_nodes(needs, body.num_nodes, pool)
            mistakes = [FieldError(field if field == "num_nodes" else at(field), text) for field, text in too_much]
            yield _Found(needs, (*unable, *mistakes))


def _needs(choice: Choice, accelerator: Accelerator | None, pool: PoolFacts) -> Alternative:
    cpus = parse_cpus(choice.cpus) if choice.cpus else None
    memory = parse_memory(choice.memory) if choice.memory else None
    return Alternative(
        cpu_tenths=cpus.tenths if cpus else pool.default_cpu_tenths,
        memory_tenths=memory.tenths if memory else pool.default_memory_tenths,
        cpus_at_least=bool(cpus and cpus.at_least),
        memory_at_least=bool(memory and memory.at_least),
        gpus=accelerator.count if accelerator else 0,
        gpu_model=pool.spelled(accelerator.model) if accelerator else None,
    )


def _of_job(body: JobSubmit, pool: PoolFacts) -> Iterator[FieldError]:
    yield from _of_image(body.image, pool)
    if body.workdir and Feature.GIT not in pool.supports:
        yield FieldError("workdir", f"{pool} can't clone a repository: fetch the code in setup.")
    if Feature.STORAGE not in pool.supports:
        for target in body.file_mounts:
            yield FieldError(f"file_mounts.{target}", f"{pool} mounts no buckets: fetch the data in setup or run.")
    if Feature.VOLUMES not in pool.supports:
        for target in body.volumes:
            yield FieldError(f"volumes.{target}", f"{pool} has no volumes: use a path that its nodes have.")
    if Feature.CONFIG not in pool.supports:
        for name in body.config:
            yield FieldError(
                f"config.{name}", f"This changes a setting of SkyPilot's, which {pool} has not: take it out."
            )
    if (body.stop.asked_grace or 0) > pool.max_stop_grace:
        yield FieldError("stop.grace", f"{pool} gives at most {format_duration(pool.max_stop_grace)} to stop.")
    for field, variables in (("envs", body.envs), ("secrets", body.secrets)):
        for name in variables:
            if name.startswith("SKYPILOT_DOCKER_") and Feature.REGISTRY_LOGIN not in pool.supports:
                yield FieldError(f"{field}.{name}", f"{pool} does not sign in to a registry with this: take it out.")


def _of_image(image: str | None, pool: PoolFacts) -> Iterator[FieldError]:
    in_containers = pool.isolation is Isolation.CONTAINER
    if image and not in_containers:
        yield FieldError(
            "image", f"{pool} runs no containers (its isolation is {pool.isolation}): leave the image out."
        )
    if in_containers and not image:
        yield FieldError("image", f"{pool} runs every job in a container: name an image.")


NOT_HERE = {
    "region": (Feature.REGIONS, "has no regions"),
    "zone": (Feature.REGIONS, "has no zones"),
    "instance_type": (Feature.INSTANCE_TYPE, "has machines of its own and no instance types"),
    "ports": (Feature.PORTS, "opens no ports to a job"),
    "disk_size": (Feature.DISK, "has disks of a fixed size"),
    "disk_tier": (Feature.DISK, "has disks of one kind"),
    "local_disk": (Feature.DISK, "has disks of its own"),
    "network_tier": (Feature.NETWORK_TIER, "has one kind of network"),
    "accelerator_args": (Feature.ACCELERATOR_ARGS, "takes no arguments for accelerators"),
    "labels": (Feature.LABELS, "has machines of its own, which take no labels from a job"),
    "priority_class": (Feature.PRIORITY_CLASS, "has no priority classes, but the job's own number as priority"),
    "max_hourly_cost": (Feature.COST_LIMIT, "can't hold to a price"),
}


def _of_choice(choice: Choice, pool: PoolFacts) -> Iterator[tuple[str, str]]:
    for field, (feature, text) in NOT_HERE.items():
        if _asks(getattr(choice, field)) and feature not in pool.supports:
            yield field, f"{pool} {text}: leave {field} out."
    if choice.use_spot and Feature.SPOT not in pool.supports:
        yield "use_spot", f"{pool} has machines of its own, none at a spot price: leave use_spot out."
    if choice.autostop not in (None, False) and Feature.AUTOSTOP not in pool.supports:
        yield "autostop", "A job gives its nodes back when it ends, so nothing is left to stop: leave autostop out."
    if _asks(choice.image_id) and Feature.MACHINE_IMAGE not in pool.supports:
        yield "image_id", f"{pool} takes no machine images; a container image is written docker:NAME."
    for field in ("infra", "cloud"):
        wanted = getattr(choice, field)
        if _asks(wanted) and not pool.is_called(wanted):
            yield (
                field,
                f"The job is for {pool}, which is not {wanted[:100]}: leave {field} out, or choose another pool.",
            )


def _asks(value: object) -> bool:
    """Whether anything is wanted: an empty list, map or text asks for nothing."""
    return value not in (None, (), {}, "")


def _too_much(needs: Alternative, pool: PoolFacts) -> list[tuple[str, str]]:
    """What is more than any one node of the pool has. Of a pool whose nodes are not known yet, nothing is."""
    if not pool.nodes:
        return []
    found: list[tuple[str, str]] = []
    if needs.gpu_model:
        found += _gpus_too_many(needs.gpu_model, needs.gpus, pool)
    cpus, memory = max(n.cpu_tenths for n in pool.nodes), max(n.memory_tenths for n in pool.nodes)
    if needs.cpu_tenths > cpus:
        asked = format_tenths(needs.cpu_tenths)
        found.append(("cpus", f"{pool} has at most {format_tenths(cpus)} CPUs on one node, {asked} were asked for."))
    if needs.memory_tenths > memory:
        asked = format_tenths(needs.memory_tenths)
        found.append(("memory", f"{pool} has at most {format_tenths(memory)} GiB on one node, {asked} were asked for."))
    return found


def _gpus_too_many(model: str, gpus: int, pool: PoolFacts) -> Iterator[tuple[str, str]]:
    most = max(_count(node, model) for node in pool.nodes)
    if not most:
        known = " and ".join(pool.gpu_models)
        yield "accelerators", f"{pool} has no {model}; it has {known or 'no GPUs'}."
    elif gpus > most:
        yield "accelerators", f"{pool} has at most {most} {model} on one node, {gpus} were asked for."


def _too_many_nodes(needs: Alternative, num_nodes: int, pool: PoolFacts) -> list[tuple[str, str]]:
    able = sum(_holds(node, needs) for node in pool.nodes)
    if not pool.nodes or able >= num_nodes:
        return []
    if not able:
        field = "accelerators" if needs.gpus else "cpus"
        return [(field, f"No node of {pool} has {needs} together, though each alone would fit.")]
    if len(pool.nodes) < num_nodes:
        return [("num_nodes", f"{pool} has {_nodes(len(pool.nodes))}, {num_nodes} were asked for.")]
    return [("num_nodes", f"{pool} has {_nodes(able)} with {needs}, {num_nodes} were asked for.")]


def _nodes(count: int) -> str:
    return f"{count} node" if count == 1 else f"{count} nodes"


def _count(node: NodeReport, model: str) -> int:
    return sum(same_model(gpu.model, model) for gpu in node.gpus)


def _holds(node: NodeReport, needs: Alternative) -> bool:
    enough = node.cpu_tenths >= needs.cpu_tenths and node.memory_tenths >= needs.memory_tenths
    return enough and (not needs.gpu_model or _count(node, needs.gpu_model) >= needs.gpus)
