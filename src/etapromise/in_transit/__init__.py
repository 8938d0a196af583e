"""Parcels under way: where they stand, how long they still take, which are late or lost."""
