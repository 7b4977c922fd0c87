"""What lies where in a state folder: each name once. ``docs/at-rest.md`` says what each of them holds."""

from __future__ import annotations

DATABASE = "kerbwatch.sqlite3"
EVIDENCE = "evidence"
"""Also in the folder of a replay's results, beside its database."""
PENDING = "pending"
"""Within it: first pictures of what may become a case."""
COLLECTION = "collection"
COMMISSIONING = "commissioning"
QUARANTINE = "quarantine"
KEYS = "keys"
HOLDS = "holds"
AUDIT = "audit"
RECOVERY = "recovery.json"
ORDERED = "ordered-configuration.json"
LAST_GOOD = "last-good-configuration.json"
RETENTION_LOCK = "retention.lock"
