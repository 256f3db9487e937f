"""Pure definitions and arithmetic."""
