"""The card before its first boot, and the first boot itself."""
