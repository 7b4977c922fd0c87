"""What the device tells of itself: heartbeat, daily summary, losses, clock, storage, status file."""
