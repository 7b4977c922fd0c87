"""Prepares a memory card so that a device sets itself up at its first boot, and does that setting up."""
