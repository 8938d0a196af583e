"""What is written in many ways, in one: texts, names, numbers, countries, regions, postcodes."""
