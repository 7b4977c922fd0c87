"""The sections of ``site.toml`` and ``zones.json``, a file for each part of the device."""
