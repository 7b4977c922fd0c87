"""The commands of the platform: read, answered once, and each obeyed by one handler."""
