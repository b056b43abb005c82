"""Models that tell genre, mood and instruments."""
