"""The options and help of commands, by subject: one file a group, joined in ``provisioning/cli.py``."""
