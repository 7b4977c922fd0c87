"""Under-voltage and throttling, as the Raspberry Pi's firmware reports them.

The Raspberry Pi's firmware keeps a word of flags; the kernel shows it in one file, in hexadecimal.
``vcgencmd get_throttled`` prints the same word, but needs a device file that the agent need not
have. Bits 0–3 say what is so now, bits 16–19 what has been so since boot.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FLAGS = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
_UNDER_VOLTAGE, _FREQUENCY_CAPPED, _THROTTLED, _SOFT_LIMIT = 1, 2, 4, 8
_SINCE_BOOT = 16


@dataclass(frozen=True, slots=True)
class Power:
    """What the firmware says.

    Attributes:
        under_voltage: The supply gives too little now.
        throttled: The processor is slowed down now, by heat or voltage.
        under_voltage_since_boot: … or did so at some time since boot.
        throttled_since_boot: … or was so at some time since boot.
    """

    under_voltage: bool
    throttled: bool
    under_voltage_since_boot: bool
    throttled_since_boot: bool


def read_power(flags: Path = FLAGS) -> Power | None:
    """Read the flags; None where there is no such firmware."""
    try:
        word = int(flags.read_text(encoding="ascii"), 16)
    except (OSError, ValueError):
        return None
    slow = _FREQUENCY_CAPPED | _THROTTLED | _SOFT_LIMIT
    return Power(
        under_voltage=bool(word & _UNDER_VOLTAGE),
        throttled=bool(word & slow),
        under_voltage_since_boot=bool(word >> _SINCE_BOOT & _UNDER_VOLTAGE),
        throttled_since_boot=bool(word >> _SINCE_BOOT & slow),
    )
