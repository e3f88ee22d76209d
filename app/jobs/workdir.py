"""`workdir` of a job: a Git repository, cloned on each node before `setup`. A local path is refused.

A path in a submitted specification is on the disk of whoever submits; it must never be read as one on the server's.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.jobs.values import Line, wrong

URL = re.compile(r"(https?|ssh|git)://[^\s\"'\\`]+", re.IGNORECASE)
SCP = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^\s\"'\\`-][^\s\"'\\`]*")
REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+@-]{0,199}")
VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")

LOCAL = (
    "A path here would be on your own disk, which the job can't see. Put the code in a Git repository and write "
    "workdir: {url: https://…, ref: main}, or fetch it in setup."
)


class GitWorkdir(BaseModel):
    """A repository and, unless its default branch is meant, a branch, tag or commit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Line = Field(description="https://…, ssh://… or git@host:path")
    ref: Line | None = None

    @model_validator(mode="before")
    @classmethod
    def _map(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError(LOCAL)
        if not isinstance(value, dict):
            raise ValueError("Give a map with url and, if you like, ref.")
        return {key: inner for key, inner in value.items() if inner is not None}

    @model_validator(mode="after")
    def _safe(self) -> GitWorkdir:
        if unset := VARIABLE.search(self.url + (self.ref or "")):
            raise wrong([(("url",), f"It names ${unset[1]}, which is not among envs; secrets can't stand in it.")])
        if not URL.fullmatch(self.url) and not SCP.fullmatch(self.url):
            raise wrong(
                [(("url",), "This is not the address of a Git repository, such as https://host/team/code.git.")]
            )
        if self.ref is not None and (not REF.fullmatch(self.ref) or ".." in self.ref):
            raise wrong([(("ref",), "This is not the name of a branch, a tag or a commit.")])
        return self


def fill_in(value: object, envs: Mapping[str, object]) -> object:
    """Put the values of `envs` where `$NAME` or `${NAME}` stands, in all text of a value, as SkyPilot does."""
    if isinstance(value, str):
        return VARIABLE.sub(lambda found: str(envs[found[1]]) if envs.get(found[1]) is not None else found[0], value)
    if isinstance(value, dict):
        return {fill_in(key, envs): fill_in(inner, envs) for key, inner in value.items()}
    return [fill_in(inner, envs) for inner in value] if isinstance(value, list) else value


def checkout(workdir: GitWorkdir) -> str:
    """Shell lines that put the repository into the current folder, which may hold other files; they may run again."""
    url, ref = shlex.quote(workdir.url), shlex.quote(workdir.ref or "HEAD")
    return f"""\
command -v git >/dev/null || {{ echo 'workdir needs git, which is not installed on this node' >&2; exit 127; }}
export GIT_TERMINAL_PROMPT=0
git init -q . || exit 1
git remote add origin {url} 2>/dev/null || git remote set-url origin {url} || exit 1
if git fetch -q --depth 1 origin {ref} 2>/dev/null || git fetch -q origin {ref} 2>/dev/null; then
  git checkout -q --force --detach FETCH_HEAD || exit 1
else
  git fetch -q --tags origin '+refs/heads/*:refs/remotes/origin/*' || exit 1
  git checkout -q --force --detach {ref} || exit 1
fi
unset GIT_TERMINAL_PROMPT
"""
