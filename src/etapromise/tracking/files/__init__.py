"""Files that hold tables: found, told apart and opened, whatever their kind."""
