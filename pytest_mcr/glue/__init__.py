"""The only folder that imports pytest."""
