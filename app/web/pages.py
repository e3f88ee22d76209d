"""The HTML face: Jinja pages, blocks rendered alone, static files under names that change with their content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app import __version__
from app.web import filters
from app.web.action import Role
from app.web.ask import Principal
from app.web.forms import Form
from app.web.static import static_url, static_url_while_editing

ROOT = Path(__file__).parent.parent.parent
TEMPLATES = ROOT / "templates"
DRAWN_ONCE = ("icon", "badge")  # macros of few values, drawn more than a hundred times on a list's page


@dataclass(frozen=True, slots=True)
class NavEntry:
    """One line of the navigation; `current` marks the section that the page belongs to."""

    href: str
    label: str
    icon: str
    current: bool = False


Sections = Mapping[str, tuple[tuple[str, str, Role], ...]]


class Pages:
    """Renders templates. `nav` is the table of (href, label, icon) in order.

    `sections`: the (href, label, least role) of the pages that stand beside one another under an entry of `nav`.
    """

    def __init__(self, nav: tuple[tuple[str, str, str], ...], sections: Sections, *, dev: bool = False) -> None:
        self._nav = nav
        self._sections = sections
        self._env = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            auto_reload=dev,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            enable_async=False,
        )
        self._env.filters.update(filters.FILTERS)
        self._env.globals.update(version=__version__, static=static_url_while_editing if dev else static_url)
        self._env.globals["ui"] = self._macros()

    def _macros(self) -> SimpleNamespace:
        """Every macro of templates/ui/*.html, as `ui.name`, so that a block rendered alone has them too."""
        macros: dict[str, Any] = {}
        namespace = SimpleNamespace()
        self._env.globals["ui"] = namespace  # macros may call one another
        for file in sorted((TEMPLATES / "ui").glob("*.html")):
            module = self._env.get_template(f"ui/{file.name}").module
            macros.update({k: v for k, v in vars(module).items() if not k.startswith("_")})
        macros.update({name: lru_cache(maxsize=256)(macros[name]) for name in DRAWN_ONCE})
        namespace.__dict__.update(macros)
        return namespace

    def nav(self, path: str) -> list[NavEntry]:
        here = next((href for href, rows in self._sections.items() if any(_under(path, row[0]) for row in rows)), None)
        return [NavEntry(href, label, icon, href == here or _under(path, href)) for href, label, icon in self._nav]

    def section(self, path: str, me: Principal | None) -> list[NavEntry]:
        """The pages beside this one that `me` may see, where it belongs to a section."""
        for rows in self._sections.values():
            hrefs = [href for href, _, _ in rows if _under(path, href)]
            if hrefs and me is not None:
                return [NavEntry(href, label, "", href == max(hrefs, key=len)) for href, label in _seen_by(me, rows)]
        return []

    def subpages(self, me: Principal, entry: NavEntry) -> list[NavEntry]:
        """The pages that `me` may see under an entry of the navigation."""
        rows = self._sections.get(entry.href, ())
        return [NavEntry(href, label, entry.icon) for href, label in _seen_by(me, rows)]

    def page(self, name: str, context: Mapping[str, Any]) -> str:
        return self._env.get_template(name).render(**context)

    def has_block(self, name: str, block: str) -> bool:
        return block in self._env.get_template(name).blocks

    def block(self, name: str, block: str, context: Mapping[str, Any]) -> str:
        """One block of the page alone."""
        template = self._env.get_template(name)
        return "".join(template.blocks[block](template.new_context(dict(context))))

    def context(
        self, *, path: str, url: str, me: Principal | None, value: Any, form: Form | None = None, **more: Any
    ) -> dict[str, Any]:
        return {
            "path": path,
            "url": url,
            "me": me,
            "value": value,
            "form": form or Form(),
            "nav": self.nav(path),
            "section": self.section(path, me),
            "subpages": self.subpages,
            **more,
        }


def _seen_by(me: Principal, rows: tuple[tuple[str, str, Role], ...]) -> list[tuple[str, str]]:
    return [(href, label) for href, label, role in rows if me.is_admin or role is not Role.ADMIN]


def _under(path: str, href: str) -> bool:
    return path == href or path.startswith(href + "/")
