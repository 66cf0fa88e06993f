"""Turns a check-in into a readiness state, and keeps check-ins."""
