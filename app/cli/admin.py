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
members = typer.Typer(help="Members of the organization.", no_args_is_help=True)
app.add_typer(keys, name="api-key")
app.add_typer(members, name="member")

Email = Annotated[str | None, typer.Option("--email", help="Whose. Without it: the first admin's.")]


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Option("--name", help="What the key is for.")],
    scopes: Annotated[str, typer.Option("--scopes", help="Such as compute:write,storage:write; empty: it reads.")] = "",
    email: Email = None,
    expires: Annotated[str, typer.Option("--expires", help="In what time it ends, such as 30d; empty: never.")] = "",
) -> None:
    """Make an API key and print it, once, and nothing else."""
    from app.accounts import service
    from app.cli.schema import current_database
    from app.db import utcnow
    from app.settings import load_settings
    from app.web.ask import Actor

    wanted = [scope for scope in scopes.split(",") if scope.strip()]
    now, life = utcnow(), _life(expires)
    with current_database(load_settings()) as db, db.write() as session:
        home, user, membership = _person(session, email)
        _, text = service.make_api_key(
            session,
            organization_id=home.id,
            user_id=user.id,
            role=membership.role,
            name=_named(name),
            scopes=wanted,
            actor=Actor.system(home.id),
            now=now,
            expires_at=now + life if life else None,
        )
    print(text)


@app.command("sign-in-link")
def sign_in_link(email: Email = None) -> None:
    """Print a link that signs a person in, once, within 15 minutes."""
    from app.accounts import sign_in
    from app.cli.schema import current_database
    from app.db import utcnow
    from app.settings import load_settings

    settings = load_settings()
    with current_database(settings) as db, db.write() as session:
        _, user, _ = _person(session, email)
        link = sign_in.new_link(session, user=user, base_url=settings.url, now=utcnow())
    print(link)


@members.command("add")
def add_member(
    email: Annotated[str, typer.Option("--email", help="The person's address.")],
    role: Annotated[str, typer.Option("--role", help="admin or member.")] = "member",
    name: Annotated[str, typer.Option("--name", help="What to call them.")] = "",
) -> None:
    """Add a person to the organization."""
    from app.accounts import service
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
        home = service.ensure_home(session)
        service.add_member(
            session, organization_id=home.id, email=email, role=Role(role), name=name,
            actor=Actor.system(home.id), now=utcnow(),
        )  # fmt: skip
    print(f"{email} is a {role} of {home.name}. To sign in: lattice admin sign-in-link --email {email}")


def _person(session: Session, email: str | None) -> tuple[Organization, User, Membership]:
    """The member with that address, or the first admin."""
    from app.accounts import queries, service
    from app.cli.refusals import Refusal

    home = service.ensure_home(session)
    session.flush()
    user = queries.user_by_email(session, email) if email else queries.first_admin(session, home.id)
    membership = queries.membership(session, home.id, user.id) if user else None
    if user is None or membership is None:
        raise Refusal(f"{email} is not a member of {home.name}." if email else f"{home.name} has no admin.")
    return home, user, membership


def _life(expires: str) -> timedelta | None:
    from app.jobs.durations import parse_duration

    try:
        return timedelta(seconds=parse_duration(expires, most=10 * 366 * 86_400)) if expires else None
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong), param_hint="--expires") from None


def _named(name: str) -> str:
    if not 1 <= len(name.strip()) <= 100:
        raise typer.BadParameter("a name has 1 to 100 characters", param_hint="--name")
    return name.strip()
