"""Numbers in, text out."""
