"""Vendors' and carriers' tracking codes, a data file each."""
