"""Texts that people read, and what others say in English, ready to be said in another language."""
