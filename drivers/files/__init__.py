"""Files and folders as the operating system gives them: read safely, locked, owned, wiped."""
