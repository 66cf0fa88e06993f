"""Input that no honest client sends, made from the descriptors, and a client that sends it as it is."""
