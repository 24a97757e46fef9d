"""How several versions of one tensor become one: one module per strategy."""
