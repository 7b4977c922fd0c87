"""Pictures with what is known of them: readers, splits, near-duplicates, changes for training."""
