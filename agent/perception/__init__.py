"""Perception: choosing crops, tracking, background model, visibility, redaction. Pure."""
