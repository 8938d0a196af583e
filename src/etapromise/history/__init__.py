"""What usually happens: calendars, statistics of lanes and carriers as of a moment, features."""
