"""Promises for all orders of a table, of files of any size, of a store."""
