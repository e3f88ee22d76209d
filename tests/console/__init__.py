"""Journeys through the console in a real Chromium, against the real server. One of each serves the whole folder."""

import pytest

MARKS = [pytest.mark.browser, pytest.mark.xdist_group("console")]
