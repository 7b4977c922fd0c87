"""From cameras to frames: one thread a camera, newest frame wins."""
