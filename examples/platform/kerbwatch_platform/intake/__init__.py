"""The workers: take from a transport, store, acknowledge, tell receipts, ask again, send orders."""
