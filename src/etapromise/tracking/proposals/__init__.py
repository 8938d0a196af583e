"""A mapping of own tables, proposed: which column is which, how surely, and what is asked."""
