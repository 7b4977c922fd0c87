"""Everything that is kept in the database, and what becomes of it when the disk fails."""
