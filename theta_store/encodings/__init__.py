"""One module per encoding of a parameter object."""
