"""Everything on one machine: PostgreSQL, a broker, workers and the desk."""
