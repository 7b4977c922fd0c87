"""Plays a device for a minute: sends the contract's examples and prints what the platform says to them.

    python pretend.py localhost 1883
    python pretend.py localhost 1883 historical inventory

Without names it sends `historical`: a birth, and a case that was opened and cleared.
"""

import json
import sys
import time
from pathlib import Path

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

MESSAGES = Path(__file__).parents[2] / "contract" / "examples"
OWN = "kerbwatch/v2/example-city/example-corner"
WAIT_S = 60


def settles(receipt, number):
    """Whether a receipt names a number."""
    ranges = [[1, receipt["contiguous_through"]], *receipt["ranges"]]
    return any(first <= number <= last for first, last in ranges)


def run(host, port, *names):
    """Send the examples; wait until a receipt names every event of them."""
    files = [MESSAGES / f"message-{name}.json" for name in names or ["historical"]]
    texts = [file.read_text(encoding="utf-8") for file in files]
    numbers = [event["sequence"] for text in texts for event in json.loads(text)["events"]]
    client = Client(CallbackAPIVersion.VERSION2, "example-city:example-corner", protocol=MQTTv5)
    client.on_connect = lambda *_: client.subscribe(f"{OWN}/receipts", qos=1)
    told = []
    client.on_message = lambda _c, _u, message: told.append(json.loads(message.payload))
    client.connect(host, int(port))
    client.loop_start()
    for _ in range(WAIT_S):  # again and again, as a device does with what no receipt names
        for text in texts:
            client.publish(f"{OWN}/events", text, qos=1)
        time.sleep(1)
        if told and all(settles(told[-1], number) for number in numbers):
            break
    client.loop_stop()
    sys.stdout.write("\n".join(json.dumps(receipt) for receipt in told[-1:]) + "\n")


if __name__ == "__main__":
    run(*sys.argv[1:])
