"""Where values live: objects, encodings, capture and restore."""
