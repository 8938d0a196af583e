"""When work is done: zones, working weeks, holidays, cut-offs, and what a calendar file says."""
