"""Tracking, designed for things that stand still. Pure."""
