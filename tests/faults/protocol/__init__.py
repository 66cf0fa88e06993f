"""A model of how a completed session moves levels and debt, small enough to try every interleaving of it."""
