"""The page at the pole: a server of its own, which proposes while the agent decides."""
