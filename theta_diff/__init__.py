"""What changed between two manifests, and how much."""
