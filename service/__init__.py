"""The HTTP API. It writes rows and reads rows; it never touches a GPU, torch or the inside of a Parquet file."""
