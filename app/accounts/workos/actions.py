"""WorkOS's webhook, as an operation. What it says is noted, and looked into by a worker."""

from __future__ import annotations

from pydantic import ValidationError

from app.accounts.workos import news
from app.accounts.workos.news import News
from app.accounts.workos.shapes import EventShape
from app.accounts.workos.signature import Signed, is_right
from app.web.action import Action, Mount
from app.web.ask import Ask
from app.web.problems import Forbidden, Invalid, Unauthenticated


def receive_webhook(ask: Ask) -> News:
    """Take an event from WorkOS, signed within the last three minutes. Repeating one changes nothing."""
    secret = ask.settings.auth_webhook_secret
    if not (secret and ask.settings.has_workos):
        raise Forbidden("No webhooks are taken here; AUTH_WEBHOOK_SECRET is not set.")
    if not is_right(ask.headers.workos_signature, ask.sent, secret, ask.now):
        raise Unauthenticated("The signature is missing, wrong or too old.")
    try:
        event = EventShape.model_validate_json(ask.sent)
    except ValidationError:
        raise Invalid("The body is not an event.") from None
    ask.wake("directory")
    return news.note(ask.db, event, ask.now)


ACTIONS = [
    Action(
        "POST",
        "/auth/webhooks/workos",
        receive_webhook,
        public=True,
        mount=Mount.JSON,
        headers=Signed,
        also=(422,),
    ),
]
