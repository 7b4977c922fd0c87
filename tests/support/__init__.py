"""What tests share: the device, the broker, sites, clips."""
