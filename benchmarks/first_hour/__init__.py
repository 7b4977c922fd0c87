"""From a prepared card to the first case at the platform: how long it takes, and what somebody has to type."""
