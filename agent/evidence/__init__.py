"""The pictures that prove a case."""
