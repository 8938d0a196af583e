"""From history to a model: the forests of the way, of its stages, and of what is left of it."""
