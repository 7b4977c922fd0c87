"""``python -m kerbwatch_platform``."""

from kerbwatch_platform.cli import main

main()
