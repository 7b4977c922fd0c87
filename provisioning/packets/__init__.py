"""A case's packet: one zip with all that proves it, and its verification without any network."""
