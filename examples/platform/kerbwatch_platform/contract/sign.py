"""Signs a command to one device, for what a login to the broker is not enough. Needs `cryptography` alone.

    python sign.py reviewer.key example-city example-corner '{"command": "verdict", …}' > order.json

The key stays where this runs. The device's site names its public half, by role.
"""

import json
import sys
import uuid
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key


def encoded(content: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def signed(key: bytes, tenant: str, device: str, told: dict[str, object]) -> dict[str, object]:
    """The command as a compact JWS (EdDSA), bound to this device and for an hour unless it says otherwise."""
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")
    own = {"contract": 2, "command_id": str(uuid.uuid4()), "expires_at": until}
    payload = own | told | {"tenant": tenant, "device_id": device}
    head, body = (encoded(json.dumps(each).encode()) for each in ({"alg": "EdDSA"}, payload))
    private = load_pem_private_key(key, password=None)  # of another kind: TypeError below
    signature = private.sign(f"{head}.{body}".encode())  # type: ignore[call-arg, union-attr]
    return {"contract": 2, "jws": f"{head}.{body}.{encoded(signature)}"}


if __name__ == "__main__":
    file, tenant, device, text = sys.argv[1:] if len(sys.argv) == 5 else sys.exit(__doc__)
    try:
        order = signed(Path(file).read_bytes(), tenant, device, json.loads(text))
    except (AttributeError, OSError, TypeError, ValueError) as why:
        sys.exit(f"not signed: an Ed25519 key in PEM and a JSON object are needed: {why}")
    sys.stdout.write(json.dumps(order) + "\n")
