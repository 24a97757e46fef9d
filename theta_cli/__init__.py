"""`git theta VERB`: one module per command."""

__version__ = "0.1.0"
