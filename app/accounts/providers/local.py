"""Local sign-in as a provider: a browser stays here, and the page tells how to get a one-time link.

Links work whatever the provider, so that an administrator of the machine gets in while WorkOS can't be reached; they
are printed at the start only while local sign-in is the provider (see app/cli/serving.py).
"""

from __future__ import annotations

from urllib.parse import quote

from app.accounts.providers.protocol import Departure


class LocalProvider:
    name = "local"
    label = "local sign-in"

    async def depart(self, going_to: str, login_hint: str) -> Departure:
        return Departure(f"/sign-in?next={quote(going_to, safe='')}")
