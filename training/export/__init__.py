"""From a trained model to a smaller or larger file of it."""
