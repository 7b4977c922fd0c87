"""A model folder: ``manifest.toml`` says everything the device must know to run ``model.onnx``."""

from __future__ import annotations

import hashlib
import os
import pkgutil
import re
import sysconfig
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drivers.foreign import reason_of
from drivers.validation import faults_of
from drivers.wording import itemised, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Thing = Literal[
    "person", "bicycle", "motorcycle", "car", "bus", "truck", "umbrella", "stall", "bin", "rubbish"
]
BinState = Literal["overflowing", "not_overflowing"]
IGNORED = ""
"""The meaning of a class that the network knows and the street does not care for."""

_NOT_FAMILIES = frozenset({"manifest", "preprocess", "session"})
_NAME = r"[a-z0-9][a-z0-9_-]*"
_Positive = Annotated[float, Field(gt=0)]


class ModelError(ValueError):
    """A model cannot be used. ``faults`` names every reason found."""

    def __init__(self, name: str, faults: Sequence[str]) -> None:
        super().__init__(said("model {name!r}:\n{faults}", name=name, faults=itemised(faults)))
        self.name, self.faults = name, tuple(faults)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputSpec(_Part):
    """What the network is fed: ``value = (pixel * scale - mean) / std``.

    ``mean`` and ``std`` are per channel in the order of ``colour``. ``letterbox`` keeps the
    picture's aspect, puts it at the top left and fills the rest with ``pad``;
    ``letterbox_centred`` puts it in the middle; ``stretch`` does not keep the aspect.
    ``sizes`` names a second input that takes the size of the picture as int64 (1, 2), width first,
    where a network has one.
    """

    name: str = Field(min_length=1)
    width: int = Field(gt=0, le=4096)
    height: int = Field(gt=0, le=4096)
    layout: Literal["NCHW"] = "NCHW"
    colour: Literal["BGR", "RGB"]
    resize: Literal["letterbox", "letterbox_centred", "stretch"]
    sizes: str | None = None
    pad: int = Field(default=114, ge=0, le=255)
    scale: float = Field(default=1.0, gt=0)
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[_Positive, _Positive, _Positive] = (1.0, 1.0, 1.0)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return 1, 3, self.height, self.width


class OutputSpec(_Part):
    """What the network answers, and what is still to be done to it."""

    name: str = Field(min_length=1)
    shape: tuple[int, ...] = Field(min_length=1)
    activation: Literal["none", "softmax", "sigmoid"] = "none"
    kind: Literal["float32", "int64"] = "float32"


class ModelClass(_Part):
    """One class of the network, in the order of its outputs, and what it means on the street."""

    name: str = Field(min_length=1)
    meaning: Literal[Thing, BinState, ""]
    threshold: float = Field(ge=0, le=1)


class Manifest(_Part):
    """``manifest.toml`` of one model folder."""

    name: str = Field(pattern=rf"^{_NAME}$")
    version: str = Field(min_length=1)
    family: str
    file: str = Field(pattern=r"^[^/\\]+\.onnx$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    licence: str = Field(min_length=1)
    provenance: str = Field(min_length=1)
    input: InputSpec
    output: OutputSpec
    also: dict[str, OutputSpec] = {}
    """Further outputs, by the role that the family gives them, such as ``boxes``."""
    classes: tuple[ModelClass, ...] = Field(min_length=1)

    @property
    def outputs(self) -> tuple[OutputSpec, ...]:
        """All outputs, the main one first."""
        return self.output, *self.also.values()

    @property
    def labels(self) -> tuple[str, ...]:
        """The street meanings, by class."""
        return tuple(each.meaning for each in self.classes)


def family_names() -> tuple[str, ...]:
    """Names of all model families: the decode files in this folder. None of them is imported."""
    found = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return tuple(
        sorted(name for name in found if name not in _NOT_FAMILIES and not name.startswith("_"))
    )


def model_folders() -> tuple[Path, ...]:
    """Where models are looked for, first to last.

    The folder that ``KERBWATCH_MODELS`` names, the site's own, ``models`` beside the source, and
    what the wheel installed. The source comes first because an editable install's copy goes stale.
    """
    places = [
        Path("/etc/kerbwatch/models"),
        Path(__file__).parents[2] / "models",
        Path(sysconfig.get_path("data")) / "share" / "kerbwatch" / "models",
    ]
    if told := os.environ.get("KERBWATCH_MODELS"):
        places.insert(0, Path(told))
    return tuple(places)


def list_models() -> tuple[str, ...]:
    """Names of all models that are installed, whether they can be used or not."""
    found = (
        path.parent.name for place in model_folders() for path in place.glob("*/manifest.toml")
    )
    # One with a dot is what a power cut left of a copy.
    return tuple(sorted({name for name in found if not name.startswith(".")}))


def find_model(name: str) -> Path:
    """The folder of a model.

    Raises:
        ModelError: There is none of that name.
    """
    if re.fullmatch(_NAME, name):
        for place in model_folders():
            if (place / name / "manifest.toml").is_file():
                return place / name
    known = list_models() or said("none")
    raise ModelError(name, [said("there is no such model; there are: {known}", known=known)])


def load_manifest(folder: Path) -> Manifest:
    """Read a model folder's manifest and hold the folder against it.

    The network itself is not opened: a file whose hash is wrong must not reach the runtime.

    Raises:
        ModelError: With every fault of the manifest and of the file it names.
    """
    path = folder / "manifest.toml"
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        fault = said("{file}: {reason}", file=path.name, reason=reason_of(error))
        raise ModelError(folder.name, [fault]) from error
    except ValueError as error:
        fault = said(
            "{file}: not readable as {language}: {reason}",
            file=path.name,
            language="TOML",
            reason=reason_of(error),
        )
        raise ModelError(folder.name, [fault]) from error
    faults = [*_file_faults(folder, told), *_family_faults(told)]
    try:
        manifest = Manifest.model_validate(told)
    except ValidationError as error:
        raise ModelError(folder.name, [*faults_of(error), *faults]) from error
    if manifest.name != folder.name:
        faults.append(
            said("name: is {name!r}, its folder {folder!r}", name=manifest.name, folder=folder.name)
        )
    names = [each.name for each in manifest.classes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        faults.append(said("classes: given twice: {names}", names=twice))
    if faults:
        raise ModelError(folder.name, faults)
    return manifest


def _file_faults(folder: Path, told: dict[str, Any]) -> Iterator[str]:
    file, expected = told.get("file"), told.get("sha256")
    if not isinstance(file, str) or Path(file).name != file:
        return  # the manifest's own faults say so
    try:
        with (folder / file).open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        yield said("file: {file}: {reason}", file=file, reason=reason_of(error))
        return
    if isinstance(expected, str) and found != expected:
        yield said(
            "sha256: {file} has {found}, the manifest says {expected}",
            file=file,
            found=found,
            expected=expected,
        )


def _family_faults(told: dict[str, Any]) -> Iterator[str]:
    family = told.get("family")
    if isinstance(family, str) and family not in family_names():
        yield said(
            "family: no family {family!r}; there are: {known}", family=family, known=family_names()
        )
