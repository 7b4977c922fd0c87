"""The bill of materials of a package, as CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/).

It names every package of the environment with the hash of the wheel that was installed, what the wheels
say of the libraries inside them (PEP 770), and the models.
"""

from __future__ import annotations

import json
import tomllib
import uuid
from datetime import UTC, datetime
from importlib.metadata import PathDistribution
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from deb.environment import distributions

if TYPE_CHECKING:
    from pathlib import Path

    from deb.targets import Target

_NAMESPACE = uuid.UUID("8f0f8a52-61a3-5d0f-9d0c-6a1c3a3a9f10")
"""Makes the serial number of a bill depend on what stands in it."""
_OURS = "kerbwatch"


def bill(prefix: Path, target: Target, wheels: dict[str, str]) -> str:
    """The bill of an environment, as JSON.

    Args:
        prefix: Of the environment.
        target: Which package.
        wheels: SHA-256 of each installed wheel by the package's name.
    """
    packages = [_package(folder, wheels) for folder in distributions(prefix)]
    [ours] = [each for each in packages if each["name"] == _OURS]
    others = [each for each in packages if each["name"] != _OURS]
    found: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(target.epoch_s, UTC).isoformat(),
            "component": {
                **ours,
                "type": "application",
                "purl": f"pkg:deb/{_OURS}/{_OURS}@{target.debian_version}"
                f"?arch={target.architecture}&distro={target.release.suite}",
                "version": target.debian_version,
            },
        },
        "components": others + [_model(each) for each in _manifests(prefix)],
    }
    number = uuid.uuid5(_NAMESPACE, json.dumps(found, sort_keys=True))
    return json.dumps({**found, "serialNumber": number.urn}, indent=1, sort_keys=True) + "\n"


def _manifests(prefix: Path) -> list[Path]:
    return sorted((prefix / "share" / _OURS / "models").glob("*/manifest.toml"))


def _package(folder: Path, wheels: dict[str, str]) -> dict[str, Any]:
    told = PathDistribution(folder).metadata
    name, version = told["Name"], told["Version"]
    found: dict[str, Any] = {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{canonicalize_name(name)}@{version}",
        "licenses": [_licence(told.get_all("License-Expression"), told)],
    }
    if "Summary" in told:
        found["description"] = told["Summary"]
    if sha256 := wheels.get(canonicalize_name(name)):
        found["hashes"] = [{"alg": "SHA-256", "content": sha256}]
    if inside := _inside(folder):
        found["components"] = inside
    return found


def _licence(expressions: list[str] | None, told: Any) -> dict[str, Any]:
    """As a package says it: an SPDX expression, a classifier, or whatever stands there."""
    if expressions:
        return {"expression": expressions[0]}
    classified = [
        each.rpartition(" :: ")[2]
        for each in told.get_all("Classifier") or []
        if each.startswith("License :: ")
    ]
    written = (told["License"] or "").strip().splitlines()
    return {"license": {"name": " and ".join(classified) or (written or ["not said"])[0]}}


def _inside(folder: Path) -> list[dict[str, Any]]:
    """What a wheel says of the libraries that it brings."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((folder / "sboms").glob("*.json")):
        told = json.loads(path.read_bytes())
        for each in told.get("components", []) if told.get("bomFormat") == "CycloneDX" else []:
            kept = {key: each[key] for key in ("type", "name", "version", "purl") if key in each}
            if "purl" in kept:  # without where somebody built it from
                kept["purl"] = kept["purl"].partition("?")[0]
            found[json.dumps(kept, sort_keys=True)] = kept
    return [found[key] for key in sorted(found)]


def _model(path: Path) -> dict[str, Any]:
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        "type": "machine-learning-model",
        "name": told["name"],
        "version": told["version"],
        "description": told["provenance"],
        "licenses": [{"expression": told["licence"]}],
        "hashes": [{"alg": "SHA-256", "content": told["sha256"]}],
    }
