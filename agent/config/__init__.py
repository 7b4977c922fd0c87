"""The configuration: its schema, how it is read, and what of it can hardly be meant."""
