"""Everything asked of git."""
