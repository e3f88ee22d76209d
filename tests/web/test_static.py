"""What the console is made of: addresses change with content, vendored files are the ones that were noted."""

from __future__ import annotations

import re
from hashlib import sha256

from starlette.testclient import TestClient

from app.web.pages import TEMPLATES
from app.web.static import STATIC, static_url

NOTED = re.compile(r"^\| `([^`]+)` .*`([0-9a-f]{64})` \|$", re.MULTILINE)
NAMED = re.compile(r'(?:icon\(|icon=|data-icon=)"([\w-]+)"')
DRAWN = re.compile(r'<symbol id="([\w-]+)"')


def test_what_a_page_names_is_kept_for_ever_and_what_it_names_in_turn_too(anonymous: TestClient) -> None:
    sheet = anonymous.get(static_url("css/tokens.css"))
    font = anonymous.get(str(sheet.url.join("../fonts/geist.woff2")))
    assert font.status_code == 200
    assert "immutable" in sheet.headers["Cache-Control"] and "immutable" in font.headers["Cache-Control"]


def test_an_older_page_still_finds_its_files_but_does_not_keep_them(anonymous: TestClient) -> None:
    answer = anonymous.get("/static/0123456789ab/css/tokens.css")
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-cache"


def test_vendored_files_are_those_that_were_noted() -> None:
    noted = NOTED.findall((STATIC / "vendor/VENDOR.md").read_text())
    assert len(noted) == 5
    for name, digest in noted:
        assert sha256((STATIC / name).read_bytes()).hexdigest() == digest


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    drawn = set(DRAWN.findall((STATIC / "icons.svg").read_text()))
    named = {name for file in TEMPLATES.rglob("*.html") for name in NAMED.findall(file.read_text())}
    assert named - drawn == set()
