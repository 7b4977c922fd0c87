"""What the plan asks for, counted: SQL, CSV, plots, Parquet and DuckDB."""
