"""Texts for people, and messages of libraries, ready to be translated."""
