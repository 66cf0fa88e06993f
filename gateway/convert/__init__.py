"""Between proto and domain: one module per contract."""
