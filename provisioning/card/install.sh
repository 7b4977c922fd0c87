#!/bin/sh
# Installs Kerbwatch from the packages that a card carries, without a network, and without touching other sources.
# The package's own unit then sets the device up. Interrupted, it is called again at the next boot.
set -e
boot=$1
repository=$boot/kerbwatch/repository
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
list=/run/kerbwatch-install.list
export DEBIAN_FRONTEND=noninteractive

echo "deb [signed-by=$repository/kerbwatch.gpg] file:$repository $suite main" >$list
dpkg --configure -a
# As root: a boot partition may be mounted so that nobody else reads it, apt's own user neither.
from_card="-o Dir::Etc::sourcelist=$list -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root"
apt-get -q update $from_card -o APT::Get::List-Cleanup=0
# With what it recommends, as far as the card carries it: the Chinese font of the acceptance form.
apt-get -q -y install $from_card -o APT::Install-Recommends=true kerbwatch
rm -f $list
rm -f /etc/systemd/system/multi-user.target.wants/kerbwatch-install.service /etc/systemd/system/kerbwatch-install.service
rm -rf "$repository"
sync
