"""Files to samples and decoded audio."""
