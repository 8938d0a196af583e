"""Directories of models: versions and the current one, markets, cards."""
