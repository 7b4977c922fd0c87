"""What Kerbwatch costs and how often it is right, measured: each file is one command."""

from provisioning.console.optional_packages import tell_what_is_missing

tell_what_is_missing()
