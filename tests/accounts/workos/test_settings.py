"""Settings of sign-in that contradict each other stop the start with a sentence that names them."""

from __future__ import annotations

from typing import Any

import pytest

from app.settings import SettingsError, load_settings

KEYS = {"auth_api_key": "sk_x", "auth_client_id": "client_x"}


def test_people_come_back_under_base_url_unless_told_otherwise() -> None:
    settings = load_settings(_env_file=None, base_url="https://lattice.example.org", **KEYS)
    assert settings.redirect_uri == "https://lattice.example.org/api/v1/auth/callback"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({**KEYS, "auth_redirect_uri": "https://evil.test/api/v1/auth/callback"}, "AUTH_REDIRECT_URI"),
        ({**KEYS, "base_url": "https://a.test", "auth_redirect_uri": "https://a.test.evil/x"}, "AUTH_REDIRECT_URI"),
        ({"auth_api_key": "sk_x"}, "AUTH_CLIENT_ID"),
        ({"auth_client_id": "client_x"}, "AUTH_CLIENT_ID"),
        ({**KEYS, "auth_base_url": "workos"}, "AUTH_BASE_URL"),
    ],
)
def test_a_contradiction_is_named_and_no_secret_is_shown(given: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as wrong:
        load_settings(_env_file=None, **given)
    assert "sk_x" not in str(wrong.value)
