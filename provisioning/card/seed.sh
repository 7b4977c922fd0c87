#!/bin/sh
# Runs once as root at the first boot of a card that kerbwatch card prepare has written, called by the kernel's
# command line, by the image's own first script, or by cloud-init. It takes the seed off the boot partition, lets the
# packages be installed at the boot that follows (or this one), and never keeps a device from booting.
# Called again after a power cut it goes on where it was.
boot=$(dirname "$(dirname "$(readlink -f "$0")")")
state=/var/lib/kerbwatch-firstboot

take_seed() {
  if [ -d "$boot/kerbwatch/seed" ]; then
    mkdir -p $state && chmod 755 $state || return 1
    rm -rf $state/seed.part
    (umask 077 && cp -R "$boot/kerbwatch/seed" $state/seed.part && cp "$boot/kerbwatch/card.json" $state/seed.part/) ||
      return 1
    chmod -R go-rwx $state/seed.part
    sync
    rm -rf $state/seed && mv $state/seed.part $state/seed && sync || return 1
    # Before it is wiped: half a seed is never taken for one.
    rm -rf "$boot/kerbwatch/seed.taken"
    mv "$boot/kerbwatch/seed" "$boot/kerbwatch/seed.taken" && sync || return 1
  fi
  [ -d "$boot/kerbwatch/seed.taken" ] || return 0
  # A memory card may keep what was overwritten: that is said in the manual.
  find "$boot/kerbwatch/seed.taken" -type f | while read -r file; do
    dd if=/dev/zero of="$file" bs=1 count="$(stat -c %s "$file")" conv=notrunc 2>/dev/null
  done
  sync
  rm -rf "$boot/kerbwatch/seed.taken"
  sync
}

install_later() {
  [ -d "$boot/kerbwatch/repository" ] || return 0
  cp "$boot/kerbwatch/install.sh" $state/install.sh || return 1
  cat >/etc/systemd/system/kerbwatch-install.service <<UNIT || return 1
[Unit]
Description=Kerbwatch: install the packages that the card carries
ConditionPathExists=$boot/kerbwatch/repository
After=local-fs.target
RequiresMountsFor=$boot

[Service]
Type=oneshot
ExecStart=/bin/sh $state/install.sh $boot
TimeoutStartSec=30min

[Install]
WantedBy=multi-user.target
UNIT
  mkdir -p /etc/systemd/system/multi-user.target.wants
  ln -sf ../kerbwatch-install.service /etc/systemd/system/multi-user.target.wants/kerbwatch-install.service
  sync
}

mkdir -p $state
{ take_seed && install_later; } 2>>$state/problems || echo "the card could not be taken over" >>$state/problems

# The command line is as it was before: this runs once.
if grep -q 'kerbwatch/seed.sh' "$boot/cmdline.txt" 2>/dev/null; then
  sed 's# systemd\.run=[^ ]*kerbwatch/seed\.sh systemd\.run_success_action=reboot systemd\.unit=kernel-command-line\.target##' \
    "$boot/cmdline.txt" >"$boot/cmdline.new" && sync && mv "$boot/cmdline.new" "$boot/cmdline.txt"
  sync
fi
# Called in a boot that goes on, as by cloud-init: begin at once.
if [ "${1:-}" = now ]; then
  systemctl daemon-reload
  systemctl --no-block start kerbwatch-install.service
fi
exit 0
