"""Keeps conditioning levels and benchmarks, and prescribes conditioning."""
