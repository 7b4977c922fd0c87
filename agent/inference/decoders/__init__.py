"""Decoders: one file per model family, named in the manifest; it only decodes."""
