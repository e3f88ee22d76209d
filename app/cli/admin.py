"""`lattice admin …`: straight to the database, for who can read it: keys, sign-in links and members."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlmodel import Session

    from app.accounts.models import Membership, Organization, User

app = typer.Typer(help="Keys, sign-in links and members, without signing in.", no_args_is_help=True)
keys = typer.Typer(help="API keys.", no_args_is_help=True)
members = typer.Typer(help="Members of an organization.", no_args_is_help=True)
app.add_typer(keys, name="api-key")
app.add_typer(members, name="member")

Email = Annotated[str | None, typer.Option("--email", help="Whose. Without it: the first admin's.")]
OrganizationOption = Annotated[
    str, typer.Option("--organization", help="The organization's name or id. Without it: the first one.")
]


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Option("--name", help="What the key is for.")],
    scopes: Annotated[str, typer.Option("--scopes", help="Such as compute:write,storage:write; empty: it reads.")] = "",
    email: Email = None,
    expires: Annotated[str, typer.Option("--expires", help="In what time it ends, such as 30d; empty: never.")] = "",
    organization: OrganizationOption = "",
) -> None:
    """Make an API key and print it, once, and nothing else."""
    from app.accounts.keys import service
    from app.cli.schema import current_database
    from app.db import utcnow
    from app.settings import load_settings
    from app.web.ask import Actor

    wanted = [scope for scope in scopes.split(",") if scope.strip()]
    now, life = utcnow(), _life(expires)
    with current_database(load_settings()) as db, db.write() as session:
        where = _organization(session, organization)
        user, membership = _member(session, where, email)
        _, text = service.make_api_key(
            session,
            organization_id=where.id,
            user_id=user.id,
            role=membership.role,
            name=_named(name),
            scopes=wanted,
            actor=Actor.system(where.id),
            now=now,
            expires_at=now + life if life else None,
        )
    print(text)


@app.command("sign-in-link")
def sign_in_link(email: Email = None) -> None:
    """Print a link that signs a person in, whatever organization they are in, once, within 15 minutes."""
    from app.accounts import sign_in
    from app.cli.schema import current_database
    from app.datadir import DataDir
    from app.db import utcnow
    from app.settings import load_settings

    settings = load_settings()
    with current_database(settings) as db, db.write() as session:
        user = _anybody(session, email) if email else _member(session, _organization(session, ""), None)[0]
        where = settings.base_url or DataDir.at(settings.lattice_data_dir).address or settings.url
        link = sign_in.new_link(session, user=user, base_url=where, now=utcnow())
    print(link)


@members.command("add")
def add_member(
    email: Annotated[str, typer.Option("--email", help="The person's address.")],
    role: Annotated[str, typer.Option("--role", help="admin or member.")] = "member",
    name: Annotated[str, typer.Option("--name", help="What to call them.")] = "",
    organization: OrganizationOption = "",
) -> None:
    """Add a person to an organization."""
    from app.accounts import commands, service
    from app.cli.refusals import Refusal
    from app.cli.schema import current_database
    from app.db import utcnow
    from app.settings import load_settings
    from app.web.action import Role
    from app.web.ask import Actor

    if role not in set(Role):
        raise typer.BadParameter(f"{role!r} is no role: there are {' and '.join(Role)}", param_hint="--role")
    if len(name) > 100:
        raise Refusal("A name has at most 100 characters.")
    with current_database(load_settings()) as db, db.write() as session:
        where = _organization(session, organization)
        service.add_member(
            session, organization_id=where.id, email=email, role=Role(role), name=name,
            actor=Actor.system(where.id), now=utcnow(),
        )  # fmt: skip
    print(f"{email} is a {role} of {where.name}. To sign in:")
    print(commands.sign_in_link(email))


def _organization(session: Session, named: str) -> Organization:
    """The organization of that id or name, or the first one."""
    from app.accounts import service
    from app.accounts.organizations import queries
    from app.cli.refusals import Refusal

    home = service.ensure_home(session)
    session.flush()
    found = queries.called(session, named) if named else [home]
    if not found:
        raise Refusal(f"There is no organization {named!r}; the first one is {home.name!r}.")
    if len(found) > 1:
        ids = " or ".join(organization.id for organization in found)
        raise Refusal(f"{len(found)} organizations are called {named!r}: give its id, {ids}.")
    return found[0]


def _member(session: Session, where: Organization, email: str | None) -> tuple[User, Membership]:
    """The member of that organization with that address, or its first admin."""
    from app.accounts import queries
    from app.cli.refusals import Refusal

    user = queries.user_by_email(session, email) if email else queries.first_admin(session, where.id)
    membership = queries.membership(session, where.id, user.id) if user else None
    if user is None or membership is None:
        raise Refusal(_not_in(session, where, email, user) if email else f"{where.name} has no admin.")
    return user, membership


def _not_in(session: Session, where: Organization, email: str, user: User | None) -> str:
    from app.accounts.organizations import queries

    others = [organization.name for organization in queries.all_of(session, user.id)] if user else []
    if not others:
        return f"{email} is not a member of {where.name}."
    return f"{email} is not a member of {where.name} but of {' and '.join(others)}: say so by --organization."


def _anybody(session: Session, email: str) -> User:
    """The person with that address, who belongs to some organization."""
    from app.accounts import queries
    from app.cli.refusals import Refusal

    user = queries.user_by_email(session, email)
    if user is None or not queries.memberships_of(session, user.id):
        raise Refusal(f"{email} is not a member of any organization here: `lattice admin member add` makes them one.")
    return user


def _life(expires: str) -> timedelta | None:
    from app.durations import parse_duration

    try:
        return timedelta(seconds=parse_duration(expires, most=10 * 366 * 86_400)) if expires else None
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong), param_hint="--expires") from None


def _named(name: str) -> str:
    if not 1 <= len(name.strip()) <= 100:
        raise typer.BadParameter("a name has 1 to 100 characters", param_hint="--name")
    return name.strip()
