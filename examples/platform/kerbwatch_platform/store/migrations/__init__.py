"""The database, step by step; no step is changed once a version was published."""
