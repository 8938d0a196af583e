"""Running it: the commands behind the command line, and what they are made of."""
