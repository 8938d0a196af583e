"""Why a date is that day: what each cause adds, as clauses, and their words in a language."""
