"""One file for each command of ``kerbwatch``."""
