"""What runs on the device: from a camera's frames to cases delivered to the platform."""
