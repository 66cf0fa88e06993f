"""Measurements: the package as a whole is `flux bench`; modules with a `main` are programs that measure one thing.

`uv run python -m tests.benchmarks.NAME` runs one of those. No test runs any.
"""
