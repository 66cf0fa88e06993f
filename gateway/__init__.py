"""Assembles sessions from what the three services decide, and stores them."""
