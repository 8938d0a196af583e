"""A look at own tables before anything is trained: what they are, and are good for."""
