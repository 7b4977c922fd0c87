"""The database: outbox, cases, state, counters; and what happens when the disk fails."""
