"""Many devices on one machine: the agent's own outbox and uplink each, and no camera."""
