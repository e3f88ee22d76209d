"""What every test can ask for: a migrated site over a real database, and people and programs at its front door.

A test marked `database` runs twice, on SQLite and on PostgreSQL; every other test runs on SQLite.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.accounts import queries, service, sign_in
from app.accounts.keys import service as keys
from app.accounts.models import Organization, User
from app.db import utcnow
from app.engines.local.engine import LocalEngine
from app.main import close_site, create_app, open_site
from app.migrate import upgrade
from app.settings import Settings
from app.site import Site
from app.web.action import Role
from app.web.ask import Actor
from app.workers.build import open_local_pool
from tests.documented import documented
from tests.peers import PLUGINS

if TYPE_CHECKING:
    from tests.peers.postgres import Postgres

pytest_plugins = PLUGINS  # imported by pytest, so that their assertions explain themselves

# How long an example takes tells of the machine's other work, not of what is tested.
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")

HOME = "http://localhost"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_kind" in metafunc.fixturenames:
        marked = metafunc.definition.get_closest_marker("database") is not None
        kinds: list[Any] = ["sqlite"]
        if marked:
            kinds.append(pytest.param("postgres", marks=pytest.mark.postgres))
        metafunc.parametrize("database_kind", kinds, indirect=False)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the newest schema, copied for each test."""
    file = tmp_path_factory.mktemp("template") / "lattice.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path, migrated_sqlite: Path) -> str:
    """A database with the newest schema, the test's own."""
    if database_kind == "sqlite":
        shutil.copy(migrated_sqlite, tmp_path / "lattice.db")
        return f"sqlite:///{tmp_path / 'lattice.db'}"
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.new_database(postgres.template("lattice", _migrate))


def _migrate(url: str) -> None:
    upgrade(Settings(_env_file=None, database_url=url).database)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """The test's settings; override it in a module for others."""
    given: dict[str, Any] = {}
    if not database_url.startswith("sqlite"):
        given["lattice_secret_keys"] = ("Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE=",)
        given["auth_cookie_password"] = ("a cookie password of some length, for tests",)
    folder = tmp_path / "data"
    return Settings(
        _env_file=None, database_url=database_url, lattice_data_dir=folder, lattice_fake_gpus="H100:8", **given
    )


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    opened = open_site(settings)
    engine = LocalEngine(opened.datadir.path / "local", node_name="node", fake_gpus=settings.lattice_fake_gpus)
    open_local_pool(opened, engine)
    yield opened
    engine.close()
    close_site(opened)


@pytest.fixture
def app(site: Site) -> Starlette:
    return create_app(site, works=False)


@dataclass
class House:
    """The site with its front door. Clients made here share one running application."""

    site: Site
    app: Starlette
    home: Organization
    admin_user: User
    clients: list[TestClient] = field(default_factory=list)

    def anonymous(self) -> TestClient:
        client = TestClient(self.app, base_url=HOME, follow_redirects=False, raise_server_exceptions=False)
        self.clients.append(client)
        return documented(client)

    def sign_in(self, user: User) -> TestClient:
        """A browser in which `user` is signed in, by a one-time link and the form behind it."""
        with self.site.db.write() as db:
            link = sign_in.new_link(db, user=user, base_url=HOME, now=utcnow())
        client = self.anonymous()
        client.headers.update(SAME_ORIGIN)
        token = link.partition("token=")[2]
        answer = client.post("/sign-in", data={"token": token, "name": user.name or "Ada"})
        assert answer.status_code == 303, answer.text
        return client

    def admin(self) -> TestClient:
        return self.sign_in(self.admin_user)

    def member(self, email: str = "bob@lab.test", role: Role = Role.MEMBER) -> TestClient:
        """A browser of somebody who has joined the organization."""
        return self.sign_in(self.person(email, role))

    def person(self, email: str, role: Role = Role.MEMBER, organization: Organization | None = None) -> User:
        to = organization or self.home
        with self.site.db.write() as db:
            user = queries.user_by_email(db, email)
            if user is None or queries.membership(db, to.id, user.id) is None:
                service.add_member(
                    db,
                    organization_id=to.id,
                    email=email,
                    role=role,
                    name=email.partition("@")[0].title(),
                    actor=Actor.system(to.id),
                    now=utcnow(),
                )
                user = queries.user_by_email(db, email)
        assert user is not None
        return user

    def key(self, *scopes: str, user: User | None = None, organization: Organization | None = None) -> TestClient:
        """A program with an API key of `user` (default: the admin) that has these scopes."""
        owner, to = user or self.admin_user, organization or self.home
        with self.site.db.write() as db:
            membership = queries.membership(db, to.id, owner.id)
            assert membership is not None
            _, text = keys.make_api_key(
                db,
                organization_id=to.id,
                user_id=owner.id,
                role=membership.role,
                name="test",
                scopes=list(scopes),
                actor=Actor.system(to.id),
                now=utcnow(),
            )
        client = self.anonymous()
        client.headers["Authorization"] = f"Bearer {text}"
        return client

    def organization(self, name: str) -> Organization:
        """Another organization, whose people see nothing of this one."""
        with self.site.db.write() as db:
            return service.new_organization(db, name=name, now=utcnow())


@pytest.fixture
def house(site: Site, app: Starlette) -> Iterator[House]:
    """The running application without workers: what is queued stays queued."""
    with site.db.read() as db:
        home = queries.first_organization(db)
        assert home is not None
        admin = queries.first_admin(db, home.id)
        assert admin is not None
    made = House(site, app, home, admin)
    with TestClient(app, base_url=HOME):
        yield made
    for client in made.clients:
        client.close()


@pytest.fixture
def admin(house: House) -> TestClient:
    return house.admin()


@pytest.fixture
def member(house: House) -> TestClient:
    return house.member()


@pytest.fixture
def anonymous(house: House) -> TestClient:
    return house.anonymous()


@pytest.fixture
def key(house: House) -> Callable[..., TestClient]:
    return house.key
