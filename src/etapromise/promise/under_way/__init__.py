"""Parcels under way: the new promise of each, and when to tell another date."""
