"""PostgreSQL: the tables, what is taken in, receipts, gaps."""
