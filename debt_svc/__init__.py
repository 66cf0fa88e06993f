"""Keeps when each slot was last trained, and says which one is due."""
