"""Versions of Kerbwatch beside each other: placed, switched, proved, gone back from."""
