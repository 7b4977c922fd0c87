"""A stranger's network, recognised and tried before it becomes a model folder."""
