"""From the outbox to the broker and back: sending, receipts, commands."""
