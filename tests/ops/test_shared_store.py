"""Servers of one database share one store, or the second is refused."""

from __future__ import annotations

import pytest

from app.main import close_site, open_site
from app.settings import Settings, SettingsError
from app.site import Site


@pytest.mark.database
def test_a_second_server_with_another_store_is_refused(site: Site, settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"lattice_data_dir": settings.lattice_data_dir.with_name("other")})
    with pytest.raises(SettingsError, match="LATTICE_STORE"):
        open_site(elsewhere)


@pytest.mark.database
def test_a_second_server_with_the_same_store_is_welcome(site: Site, settings: Settings) -> None:
    both = {"lattice_data_dir": settings.lattice_data_dir.with_name("other"), "lattice_store": str(site.datadir.files)}
    close_site(open_site(settings.model_copy(update=both)))
