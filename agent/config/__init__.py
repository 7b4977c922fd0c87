"""The configuration: schema, loading, faults, and plausibility warnings."""
