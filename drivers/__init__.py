"""Drivers for hardware and operating system: cameras, GPIO, temperature, clock, disk, files."""
