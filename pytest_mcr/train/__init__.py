"""Training and fixtures."""
