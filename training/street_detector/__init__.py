"""The street detector: trained, judged and described."""
