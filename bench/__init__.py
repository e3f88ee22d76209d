"""Measurements, each against a raw floor in the same run: `python -m bench` prints the table, `--write` keeps it."""
