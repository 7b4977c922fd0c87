"""Cases and events in the forms of other systems, and webhooks to them."""
