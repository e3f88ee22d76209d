"""The throwaway PostgreSQL keeps the promises that other tests build on."""

from __future__ import annotations

import psycopg
import pytest

from tests.peers.postgres import Postgres

pytestmark = pytest.mark.postgres


def test_a_database_of_its_own_is_empty(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables == (0,)


def test_a_copy_of_a_template_has_its_rows_and_no_one_elses(postgres: Postgres) -> None:
    def prepare(url: str) -> None:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE thing (id integer)")
            connection.execute("INSERT INTO thing VALUES (1)")

    name = postgres.template("with_a_thing", prepare)
    first, second = postgres.new_database(name), postgres.new_database(name)
    with psycopg.connect(first) as connection:
        connection.execute("DELETE FROM thing")
    with psycopg.connect(second) as connection:
        assert connection.execute("SELECT id FROM thing").fetchall() == [(1,)]


def test_it_comes_back_after_a_stop_with_what_it_had(postgres: Postgres) -> None:
    url = postgres.new_database()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept ()")
    postgres.stop()
    postgres.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_the_trigram_extension_is_there(postgres: Postgres, postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE EXTENSION pg_trgm")
        assert connection.execute("SELECT similarity('lattice', 'lattice')").fetchone() == (1.0,)
