"""The wire format: every message, its bounds, and the contract generated from it."""
