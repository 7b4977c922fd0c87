"""Hardware only: cameras, GPIO, temperature, clock and disk. Imports nothing of ours."""
