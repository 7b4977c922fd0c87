"""For the demo: a consumer in place of the platform, and the staged ground truth."""
