"""Delivery held against other ways: losses, drain rate, latency behind a backlog, cost on disk."""
