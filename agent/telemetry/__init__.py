"""What the device reports about itself: heartbeat, daily summary, losses, clock, storage, status file."""
