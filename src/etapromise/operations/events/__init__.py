"""Events for customers: what is to be told, each once, and what was told before."""
