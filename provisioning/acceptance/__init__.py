"""Taking a device over: its tests, its record, its form."""
