"""The desk: pages at which a person decides."""
