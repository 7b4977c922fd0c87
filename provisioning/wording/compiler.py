"""Writes a catalogue to standard output, compiled as gettext has it: for a process that must stay small.

python -P -m provisioning.wording.compiler zh_CN
"""

from __future__ import annotations

import sys

from provisioning.wording import compiled

if __name__ == "__main__":
    sys.stdout.buffer.write(compiled(sys.argv[1]))
