"""Keys and certificates: who the device is, and whom it trusts."""
