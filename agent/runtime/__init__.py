"""Builds, starts, supervises and stops the agent, on the device and in replay."""
