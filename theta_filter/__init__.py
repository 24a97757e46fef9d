"""Clean and smudge: what git runs on add and checkout."""
