"""Plays a device for a minute: sends the contract's examples and prints what the platform says to them.

python pretend.py localhost 1883
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


def run(host, port):
    """Send a birth with a case that was opened and cleared; wait until a receipt names all of it."""
    text = (MESSAGES / "message-historical.json").read_text(encoding="utf-8")
    last = max(event["sequence"] for event in json.loads(text)["events"])
    client = Client(CallbackAPIVersion.VERSION2, "example-city:example-corner", protocol=MQTTv5)
    client.on_connect = lambda *_: client.subscribe(f"{OWN}/receipts", qos=1)
    told = []
    client.on_message = lambda _c, _u, message: told.append(json.loads(message.payload))
    client.connect(host, int(port))
    client.loop_start()
    for _ in range(WAIT_S):  # again and again, as a device does with what no receipt names
        client.publish(f"{OWN}/events", text, qos=1)
        time.sleep(1)
        if any(receipt["contiguous_through"] >= last for receipt in told):
            break
    client.loop_stop()
    sys.stdout.write("\n".join(json.dumps(receipt) for receipt in told[-1:]) + "\n")


if __name__ == "__main__":
    run(*sys.argv[1:])
