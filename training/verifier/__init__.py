"""The verifier: what is it that stands there? Trained, chosen, judged and described."""
