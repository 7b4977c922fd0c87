#!/bin/sh
# Rights of the platform and of the devices of one tenant, for RabbitMQ 4 with the MQTT plug-in.
# The users exist already (rabbitmqctl add_user, or certificates with rabbitmq_auth_mechanism_ssl), and
# `guest` is deleted. Run it again for each new device: what it sets is the whole of a user's rights.
#
#   sh rabbitmq.sh TENANT PLATFORM-USER DEVICE...
#
# A device's user is called TENANT/DEVICE, or, from before, DEVICE alone: name each as it is called.
set -eu
tenant=$1 platform=$2
shift 2
ctl=${RABBITMQCTL:-rabbitmqctl}
pictures='pictures\.[0-9a-f]+\.[0-9]+\.[0-9]+'
topic="^kerbwatch\.v2\.$tenant"  # MQTT's / is the exchange's .

# A session's queue bears its client id; the second is that of `kerbwatch check`.
for user in "$@"; do
  device=${user#"$tenant/"}
  queue="mqtt-subscription-$tenant:$device(\.check)?qos[01]"
  $ctl set_permissions "$user" "^$queue\$" "^($queue|amq\.topic)\$" "^($queue|amq\.topic)\$"
  $ctl set_topic_permissions "$user" amq.topic \
    "$topic\.$device\.(events|state|answers|$pictures)\$" "$topic\.$device\.(receipts|commands)\$"
done

# The platform alone tells the devices. Its sessions are called platform-…; its own queues (AMQP) as well.
queue="(mqtt-subscription-)?$platform-.*"
$ctl set_permissions "$platform" "^$queue\$" "^($queue|amq\.topic)\$" "^($queue|amq\.topic)\$"
$ctl set_topic_permissions "$platform" amq.topic \
  "$topic\.[^.]+\.(receipts|commands)\$" "$topic\.[^.]+\.(events|state|answers|pictures\..+)\$"
