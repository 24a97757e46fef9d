"""git theta VERB: one module per command."""
