"""Builds the application: the tables, the layers around them, and the lifespan that starts and stops the workers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import anyio.to_thread
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from app.accounts import actions as accounts
from app.accounts.devices import actions as devices
from app.accounts.invitations import actions as invitations
from app.accounts.keys import actions as keys
from app.accounts.members import actions as members
from app.accounts.organizations import actions as organizations
from app.accounts.organizations.queries import organizations_of, principal_in
from app.accounts.principal import find_principal
from app.accounts.providers import actions as providers
from app.accounts.providers.build import sign_in_with
from app.accounts.providers.protocol import RemoteProvider
from app.accounts.providers.renewal import Renewals
from app.accounts.service import ensure_home
from app.accounts.teams import actions as teams
from app.accounts.touch import Touches
from app.accounts.workos import actions as workos
from app.datadir import DataDir
from app.db import POOL_SIZE, Database
from app.deployment import open_in_turn, require_shared_store
from app.events import actions as events
from app.events.pulse import Pulse
from app.health import Health
from app.jobs import actions as jobs
from app.keyring import Keyring, cookie_passwords
from app.pools import actions as pools
from app.settings import Settings
from app.site import Site
from app.stores.logs import LogStore
from app.stores.objects import open_store
from app.web import openapi
from app.web.action import Role
from app.web.answer import API, HtmlAnswer, dumps
from app.web.edge import Edge, RequestMetrics
from app.web.elsewhere import Elsewhere
from app.web.identify import CookieSigner, Identify
from app.web.pages import Pages
from app.web.peer import Peer
from app.web.rates import SharedCounts
from app.web.refusals import Refusals
from app.web.routes import face_of, refuse, routes_of
from app.web.serve import House
from app.web.static import Static
from app.workers.build import Crew

ACTIONS = [
    *accounts.ACTIONS,
    *keys.ACTIONS,
    *devices.ACTIONS,
    *providers.ACTIONS,
    *workos.ACTIONS,
    *organizations.ACTIONS,
    *members.ACTIONS,
    *invitations.ACTIONS,
    *teams.ACTIONS,
    *jobs.ACTIONS,
    *pools.ACTIONS,
    *events.ACTIONS,
]
NAV: tuple[tuple[str, str, str], ...] = (
    ("/jobs", "Jobs", "list-checks"),
    ("/node-pools", "Node pools", "server"),
    ("/events", "Audit", "scroll-text"),
    ("/settings", "Settings", "settings"),
)
SECTIONS = {
    "/settings": (
        ("/settings", "Profile", Role.MEMBER),
        ("/settings/organization", "Organization", Role.MEMBER),
        ("/members", "Members", Role.MEMBER),
        ("/invitations", "Invitations", Role.ADMIN),
        ("/teams", "Teams", Role.MEMBER),
        ("/api-keys", "API keys", Role.MEMBER),
        ("/settings/sessions", "Sessions", Role.MEMBER),
    )
}


def open_site(settings: Settings) -> Site:
    """All that a server needs, over a migrated database. Raises SettingsError or DataDirError, each a sentence."""
    datadir = DataDir.open(settings.lattice_data_dir)
    db = Database(settings.database)
    try:
        return _opened(settings, datadir, db)
    except BaseException:
        db.close()
        datadir.close()
        raise


def _opened(settings: Settings, datadir: DataDir, db: Database) -> Site:
    keyring = Keyring.load(settings, datadir)
    store = open_store(settings.lattice_store or datadir.files)
    with db.write() as session:
        open_in_turn(session)
        ensure_home(session)
        require_shared_store(session, store)
    keyring.check(db)
    provider, directory = sign_in_with(settings)
    return Site(
        settings=settings,
        db=db,
        datadir=datadir,
        keyring=keyring,
        logs=LogStore(store),
        store=Peer("The store of the logs", at_once=8, seconds=30),
        pulse=Pulse(db),
        cookie_passwords=cookie_passwords(settings, datadir),
        provider=provider,
        directory=directory,
    )


def close_site(site: Site) -> None:
    if isinstance(site.provider, RemoteProvider):
        site.provider.close()
    site.store.close()
    site.db.close()
    site.datadir.close()


def create_app(site: Site, *, works: bool = True) -> Starlette:
    """The ASGI application over a site that is ready. `works`: whether this process also runs the workers."""
    registry = CollectorRegistry()
    signer = CookieSigner(site.cookie_passwords)
    touches = Touches(site.db)
    pages = Pages(NAV, SECTIONS, dev=site.settings.lattice_dev)
    elsewhere = Elsewhere(site.db, organizations_of, principal_in)
    html = HtmlAnswer(pages, elsewhere.organizations)
    renewals = Renewals(site, site.provider) if isinstance(site.provider, RemoteProvider) else None
    find = touches.noting(find_principal)
    house = House(site, renewals.noting(find) if renewals else find, html, signer, elsewhere)
    health = Health(site, registry)
    app = Starlette(
        routes=[*routes_of(house, ACTIONS), *_plain_routes(site, health)],
        middleware=[
            Middleware(Edge, settings=site.settings, metrics=RequestMetrics(registry), face=face_of(house)),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5),
            Middleware(Identify, signer=signer),
        ],
        exception_handlers={HTTPException: refuse(house)},
        lifespan=_lifespan(
            site, [touches, house.limits.counts, house.refusals, *([renewals] if renewals else [])], works=works
        ),
    )
    app.router.redirect_slashes = False
    app.state.house = house
    app.state.touches = touches
    return app


def _plain_routes(site: Site, health: Health) -> list[BaseRoute]:
    document = dumps(openapi.document(ACTIONS, site.settings.url))

    async def describe(_request: Request) -> Response:
        return Response(document, media_type="application/json")

    async def home(_request: Request) -> Response:
        return RedirectResponse("/jobs", 303)

    async def favicon(_request: Request) -> Response:
        return RedirectResponse("/static/favicon.svg", 301)

    async def robots(_request: Request) -> Response:
        return PlainTextResponse("User-agent: *\nDisallow: /\n")

    return [
        Route("/", home),
        Route(f"{API}/openapi.json", describe),
        Route("/healthz", health.alive),
        Route("/readyz", health.ready),
        Route("/metrics", health.metrics),
        Route("/favicon.ico", favicon),
        Route("/robots.txt", robots),
        Mount("/static", Static()),
    ]


def _lifespan(site: Site, beside: list[Touches | SharedCounts | Refusals | Renewals], *, works: bool) -> Any:
    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = POOL_SIZE
        await site.pulse.start()
        for thread in beside:
            thread.start()
        crew = await anyio.to_thread.run_sync(Crew, site) if works else None
        if crew is not None:
            crew.start()
        try:
            yield
        finally:
            if crew is not None:
                await anyio.to_thread.run_sync(crew.stop)
            for thread in beside:
                thread.stop()
            await site.pulse.stop()

    return lifespan
