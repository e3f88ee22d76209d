"""What the console is made of: versions in style sheets are true, vendored files are the ones that were noted."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest

from app.web.pages import STATIC, TEMPLATES, static_url

NOTED = re.compile(r"^\| `([^`]+)` .*`([0-9a-f]{64})` \|$", re.MULTILINE)
VERSIONED = re.compile(r'url\("\.\./([^"?]+)\?v=([0-9a-f]+)"\)')
NAMED = re.compile(r'(?:icon\(|icon=|data-icon=)"([\w-]+)"')
DRAWN = re.compile(r'<symbol id="([\w-]+)"')


@pytest.mark.parametrize("sheet", sorted((STATIC / "css").glob("*.css")), ids=lambda path: str(path.name))
def test_addresses_in_style_sheets_name_the_content_they_point_to(sheet: Path) -> None:
    for name, version in VERSIONED.findall(sheet.read_text()):
        assert static_url(name).endswith(f"?v={version}")


def test_vendored_files_are_those_that_were_noted() -> None:
    noted = NOTED.findall((STATIC / "vendor/VENDOR.md").read_text())
    assert len(noted) == 5
    for name, digest in noted:
        assert sha256((STATIC / name).read_bytes()).hexdigest() == digest


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    drawn = set(DRAWN.findall((STATIC / "icons.svg").read_text()))
    named = {name for file in TEMPLATES.rglob("*.html") for name in NAMED.findall(file.read_text())}
    assert named - drawn == set()
