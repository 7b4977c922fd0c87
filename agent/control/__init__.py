"""The local channel of a running agent: what a technician at the device asks of it."""
