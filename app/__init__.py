"""Lattice: a lightweight control plane for GPU compute."""

__version__ = "0.1.0"
