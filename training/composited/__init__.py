"""Real things cut out of real pictures and set down in real clips, at a known time and place."""
