"""How messages come and go: MQTT 5 shared subscriptions, or AMQP 0-9-1; behind one interface."""
