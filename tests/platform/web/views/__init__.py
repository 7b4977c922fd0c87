"""The desk in a browser, and by hand-made requests."""
