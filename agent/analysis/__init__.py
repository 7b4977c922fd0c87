"""From a frame to a case: the story of Kerbwatch, top to bottom, in :mod:`agent.analysis.camera_pipeline`."""
