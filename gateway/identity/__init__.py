"""Finds out who an access token stands for. Host-neutral: a token in, an athlete out."""
