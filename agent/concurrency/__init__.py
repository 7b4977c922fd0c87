"""Threads, their watchdog, waiting before another try, and allowances."""
