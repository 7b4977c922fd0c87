"""The consumer for RabbitMQ: takes from a queue, over AMQP, what the devices publish over MQTT.

It stores and says what consumer.py does (storing.py); of packages it needs pika in place of paho-mqtt. The queue is
that of ``examples/brokers/rabbitmq-queue.json``. As many workers as you like may take from it and share a database.

    python amqp_consumer.py amqp://USER:PASSWORD@localhost:5672/%2F platform.db
"""

import argparse
import json
import random
import signal
import sys
import threading
from pathlib import Path

import pika
from pika.exceptions import AMQPError
from storing import opened, settled_by

MOST = 200
"""Messages of one transaction, and under way to this worker at most."""
AGAIN_S = (1, 10)


def take_from(connection, queue, db, stop):
    """Store what the queue has until stopped; acknowledge and send receipts after each commit.

    Raises:
        AMQPError: The connection is lost: what was not acknowledged comes again, to this worker or another.
    """
    channel, batch = connection.channel(), []
    channel.basic_qos(prefetch_count=MOST)
    channel.basic_consume(queue, lambda _channel, how, _more, body: batch.append((how, body)))
    while not stop.is_set():
        connection.process_data_events(time_limit=0.2)
        if not batch:
            continue
        # MQTT's levels are words of the routing key, and back: no level has a dot in it.
        told = [(how.routing_key.replace(".", "/"), body) for how, body in batch]
        due = settled_by(db, told)
        channel.basic_ack(batch[-1][0].delivery_tag, multiple=True)
        batch.clear()
        for topic, receipt in due:
            lasting = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)  # QoS 1
            channel.basic_publish(
                "amq.topic", topic.replace("/", "."), json.dumps(receipt), lasting
            )


def run(place, path, queue, stop):
    """Work until ``stop`` is set, and connect again whenever the broker is lost."""
    db = opened(path)
    while not stop.is_set():
        try:
            with pika.BlockingConnection(place) as connection:
                take_from(connection, queue, db, stop)
        except AMQPError as why:
            sys.stderr.write(f"{why!r}; connecting again\n")
            stop.wait(random.uniform(*AGAIN_S))  # noqa: S311  not all workers at once


def main(arguments=None):
    """Run until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("broker", type=pika.URLParameters, help="amqp[s]://USER:PASSWORD@HOST/%%2F")
    parser.add_argument("database", type=Path)
    parser.add_argument("--queue", default="platform-events")
    told = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run(told.broker, told.database, told.queue, stop)


if __name__ == "__main__":
    main()
