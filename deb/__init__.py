"""Builds Kerbwatch's Debian packages, their SBOMs and the signed repository. Not installed."""
