"""What Kerbwatch costs and how often it is right, measured: each file is one command."""
