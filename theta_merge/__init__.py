"""Three manifests become one: decide, settle, ask."""
