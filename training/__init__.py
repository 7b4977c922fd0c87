"""How each model was made and judged (extra ``train``; not in the wheel)."""

from provisioning.console.optional_packages import tell_what_is_missing

tell_what_is_missing()
