"""What pictures show: crops to look at, tracks, background, visibility, redaction. Pure."""
