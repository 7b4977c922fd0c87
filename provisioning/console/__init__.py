"""Shared by all commands: options, help, progress, exit codes."""
