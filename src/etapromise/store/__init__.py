"""A history that is kept: what came in, in Parquet files, and what it says of each parcel."""
