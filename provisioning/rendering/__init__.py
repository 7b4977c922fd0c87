"""Drawing on pictures for people."""
