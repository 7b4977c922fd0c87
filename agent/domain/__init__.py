"""The domain model: frozen values, zones, schedules, and the life cycle of a case. Pure."""
