"""Tracking made for things that stand still. Pure."""
