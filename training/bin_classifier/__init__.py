"""The bin state classifier: trained, judged and described."""
