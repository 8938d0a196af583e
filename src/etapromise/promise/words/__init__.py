"""What a promise says to people: sentences and reasons, in their language."""
