"""Joins the supervisor's parts into one compiled file, so that starting it costs one read and no compiling.

The file is named after its content: supervisors of an older server go on with theirs.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import marshal
import os
import sys
from pathlib import Path

PARTS = ("files", "process", "ipc", "log", "ending", "container", "attempt", "main")  # each needs only those before it
SOURCES = Path(__file__).parent / "supervisor"
OWN = "app."


def build_supervisor(folder: Path) -> Path:
    """The path of the compiled supervisor in `folder`, made there unless it is already."""
    texts = [(SOURCES / f"{part}.py").read_text() for part in PARTS]
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    path = folder / f"supervisor-{digest}.{sys.implementation.cache_tag}.pyc"
    if not path.exists():
        made = path.with_suffix(f".{os.getpid()}")
        made.write_bytes(_compiled(texts))
        made.replace(path)
    return path


def _compiled(texts: list[str]) -> bytes:
    joined = ast.Module(body=[line for text in texts for line in _own_lines(text)], type_ignores=[])
    code = compile(joined, "supervisor.py", "exec", dont_inherit=True, optimize=2)
    unchecked = (1).to_bytes(4, "little") + bytes(8)  # PEP 552: valid without looking for a source
    return importlib.util.MAGIC_NUMBER + unchecked + marshal.dumps(code)


def _own_lines(text: str) -> list[ast.stmt]:
    """A part's statements without the imports of the other parts, whose names are already there."""
    return [
        line
        for line in ast.parse(text).body
        if not (isinstance(line, ast.ImportFrom) and (line.module or "").startswith(OWN))
    ]
