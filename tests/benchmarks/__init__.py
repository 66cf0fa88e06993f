"""Measurements, each a program of its own: `uv run python -m tests.benchmarks.NAME`. No test runs them."""
