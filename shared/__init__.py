"""Infrastructure that every service shares. Holds no training rule."""
