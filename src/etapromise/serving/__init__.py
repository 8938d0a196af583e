"""Promises over HTTP: an ASGI app around a model that is exchanged while it answers."""
