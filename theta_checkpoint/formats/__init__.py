"""One module per file format; each answers where the tensors lie."""
