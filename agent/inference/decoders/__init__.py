"""Model families: one file each, named in a manifest; it decodes and does nothing else."""
