"""The evidence of the desk: files, records, timestamps, hand-overs."""
