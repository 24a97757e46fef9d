"""The menu: asking on a terminal what a conflict shall become."""
