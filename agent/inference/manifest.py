"""The manifest of a model folder: everything needed to run ``model.onnx``."""

from __future__ import annotations

import hashlib
import math
import os
import pkgutil
import re
import sysconfig
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent.domain.labels import BIN_STATES, CANDIDATE_KINDS, LABELS
from agent.inference.model_files import read_inside
from drivers.files.documents import parsed_toml, refuse_unseen
from drivers.files.small_files import text_in
from wording.known_errors import reason_of
from wording.messages import itemised, said
from wording.validation import faults_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IGNORED = ""
"""The meaning of a class that the network knows and the street does not care for."""
if TYPE_CHECKING:
    Meaning = str
else:  # a type checker cannot read alternatives out of a table
    Meaning = Literal[(*LABELS, *BIN_STATES, *CANDIDATE_KINDS, IGNORED)]

MANIFEST = "manifest.toml"
NAME = r"[a-z0-9][a-z0-9_-]{0,63}"
LARGEST_MANIFEST_BYTES = 4_000_000
LARGEST_BYTES = 512_000_000
"""Of a network with its weights; both are read into memory."""
MAX_CLASSES = 10_000
MAX_PIXELS = 2048 * 2048
"""Of a network's input."""
LARGEST_VALUE = 1e6
"""That a pixel becomes; networks take 0 to 1, a few units around 0, or 0 to 255."""
MAX_VALUES = 2**25
"""Of one output: 128 MB."""
MAX_WEIGHTS_FILES = 1000


def _of_values(shape: tuple[int, ...]) -> tuple[int, ...]:
    if math.prod(shape) > MAX_VALUES:
        raise ValueError(said("an output may have at most {most} values", most=MAX_VALUES))
    return shape


def _file_name(name: str) -> str:
    if Path(name).name != name or name in {"", ".", "..", MANIFEST} or len(name.encode()) > 255:
        raise ValueError(said("the name of a file in this folder, without folders"))
    return name


_Port = Annotated[str, Field(min_length=1, max_length=256)]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Positive = Annotated[float, Field(gt=0)]
_Shape = Annotated[
    tuple[Annotated[int, Field(ge=1, le=MAX_VALUES)], ...],
    Field(min_length=1, max_length=8),
    AfterValidator(_of_values),
]


class ModelError(ValueError):
    """A model cannot be used. ``faults`` names every reason found."""

    def __init__(self, name: str, faults: Sequence[str]) -> None:
        super().__init__(said("model {name!r}:\n{faults}", name=name, faults=itemised(faults)))
        self.name, self.faults = name, tuple(faults)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class InputSpec(_Part):
    """What the network is fed: ``value = (pixel * scale - mean) / std``.

    ``mean`` and ``std`` are per channel in the order of ``colour``. ``letterbox`` keeps the
    picture's aspect, puts it at the top left and fills the rest with ``pad``;
    ``letterbox_centred`` puts it in the middle; ``stretch`` does not keep the aspect.
    ``sizes`` names a second input that takes the size of the picture as int64 (1, 2), width first,
    where a network has one.
    """

    name: _Port
    width: int = Field(gt=0, le=4096)
    height: int = Field(gt=0, le=4096)
    layout: Literal["NCHW"] = "NCHW"
    colour: Literal["BGR", "RGB"]
    resize: Literal["letterbox", "letterbox_centred", "stretch"]
    sizes: _Port | None = None
    pad: int = Field(default=114, ge=0, le=255)
    scale: float = Field(default=1.0, gt=0)
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[_Positive, _Positive, _Positive] = (1.0, 1.0, 1.0)

    @model_validator(mode="after")
    def _in_bounds(self) -> Self:
        if self.width * self.height > MAX_PIXELS:
            raise ValueError(said("width × height may be at most {most}", most=MAX_PIXELS))
        largest = (255 * self.scale + max(map(abs, self.mean))) / min(self.std)
        if largest > LARGEST_VALUE:
            raise ValueError(
                said(
                    "scale, mean and std make values of {largest:.3g}, at most {most:.0e} are allowed",
                    largest=largest,
                    most=LARGEST_VALUE,
                )
            )
        return self

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return 1, 3, self.height, self.width


class OutputSpec(_Part):
    """What the network answers, and what is still to be done to it."""

    name: _Port
    shape: _Shape
    activation: Literal["none", "softmax", "sigmoid"] = "none"
    kind: Literal["float32", "int64"] = "float32"


class ModelClass(_Part):
    """One class of the network, in the order of its outputs, and what it means on the street."""

    name: str = Field(min_length=1, max_length=256)
    meaning: Meaning
    threshold: float = Field(ge=0, le=1)


class Manifest(_Part):
    """``manifest.toml`` of one model folder."""

    name: str = Field(pattern=rf"^{NAME}$")
    version: str = Field(min_length=1, max_length=64)
    family: str
    file: Annotated[str, Field(pattern=r"^[^/\\]+\.onnx$"), AfterValidator(_file_name)]
    sha256: _Sha256
    weights: dict[Annotated[str, AfterValidator(_file_name)], _Sha256] = Field(
        default={}, max_length=MAX_WEIGHTS_FILES
    )
    """Files beside the network in which it keeps its weights, each with its hash."""
    licence: str = Field(min_length=1, max_length=256)
    provenance: str = Field(min_length=1, max_length=4096)
    input: InputSpec
    output: OutputSpec
    also: dict[str, OutputSpec] = Field(default={}, max_length=8)
    """Further outputs, by the role that the family gives them, such as ``boxes``."""
    classes: tuple[ModelClass, ...] = Field(min_length=1, max_length=MAX_CLASSES)

    @property
    def outputs(self) -> tuple[OutputSpec, ...]:
        """All outputs, the main one first."""
        return self.output, *self.also.values()

    @property
    def labels(self) -> tuple[str, ...]:
        """The street meanings, by class."""
        return tuple(each.meaning for each in self.classes)

    @property
    def model_sha256(self) -> str:
        """What an event knows the model by: the hash of its file.

        Where weights lie in files of their own, the hash of what ``sha256sum`` prints of all of them,
        the network first, then the others by name.
        """
        if not self.weights:
            return self.sha256
        lines = [(self.file, self.sha256), *sorted(self.weights.items())]
        text = "".join(f"{sha256}  {name}\n" for name, sha256 in lines)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model folder as it was read, once: these bytes were hashed, and these are run.

    Attributes:
        manifest: Held against the folder.
        manifest_sha256: Of the manifest's own file.
        network: The ONNX file.
        weights: The files of weights beside it, by name.
    """

    manifest: Manifest
    manifest_sha256: str
    network: bytes
    weights: dict[str, bytes]

    @property
    def size_bytes(self) -> int:
        """Of the network with its weights."""
        return len(self.network) + sum(map(len, self.weights.values()))


def family_names() -> tuple[str, ...]:
    """Names of all model families: the files in ``decoders``. None of them is imported."""
    found = (
        module.name for module in pkgutil.iter_modules([str(Path(__file__).with_name("decoders"))])
    )
    return tuple(sorted(name for name in found if not name.startswith("_")))


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
    found = (path.parent.name for place in model_folders() for path in place.glob(f"*/{MANIFEST}"))
    # One with a dot is what a power cut left of a copy.
    return tuple(sorted({name for name in found if re.fullmatch(NAME, name)}))


def misnamed_folders() -> tuple[Path, ...]:
    """Folders of models that nothing can name; hidden ones are not meant to be any."""
    found = (path.parent for place in model_folders() for path in place.glob(f"*/{MANIFEST}"))
    return tuple(
        sorted(path for path in found if not re.fullmatch(NAME, path.name) and path.name[0] != ".")
    )


def find_model(name: str) -> Path:
    """The folder of a model.

    Raises:
        ModelError: There is none of that name.
    """
    if re.fullmatch(NAME, name):
        for place in model_folders():
            if (place / name / MANIFEST).is_file():
                return place / name
    known = list_models() or said("none")
    raise ModelError(name, [said("there is no such model; there are: {known}", known=known)])


def load_manifest(folder: Path) -> Manifest:
    """Read a model folder's manifest and hold the folder against it.

    Raises:
        ModelError: With every fault of the manifest and of the files it names.
    """
    return read_model(folder).manifest


def read_model(folder: Path) -> StoredModel:
    """Read a model folder: its manifest, and the files that it names, verified by their hashes.

    The network itself is not opened: a file whose hash is wrong must not reach the runtime.

    Raises:
        ModelError: With every fault of the manifest and of the files it names.
    """
    written, told = _read_manifest(folder)
    contents, faults = _contents(folder, told)
    faults += _family_faults(told)
    try:
        manifest = Manifest.model_validate(told)
    except ValidationError as error:
        raise ModelError(folder.name, [*faults_of(error), *faults]) from error
    if manifest.name != folder.name:
        faults.append(
            said("name: is {name!r}, its folder {folder!r}", name=manifest.name, folder=folder.name)
        )
    names = Counter(each.name for each in manifest.classes)
    if twice := sorted(name for name, count in names.items() if count > 1):
        faults.append(said("classes: given twice: {names}", names=twice))
    if faults:
        raise ModelError(folder.name, faults)
    network = contents.pop(manifest.file)
    return StoredModel(manifest, hashlib.sha256(written).hexdigest(), network, contents)


def _read_manifest(folder: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        written = read_inside(folder, MANIFEST, LARGEST_MANIFEST_BYTES)
    except (OSError, ValueError) as error:
        fault = said("{file}: {reason}", file=MANIFEST, reason=reason_of(error))
        raise ModelError(folder.name, [fault]) from error
    try:
        parsed = parsed_toml(text_in(written))
        refuse_unseen(parsed)
    except ValueError as error:
        fault = said(
            "{file}: not readable as {language}: {reason}",
            file=MANIFEST,
            language="TOML",
            reason=reason_of(error),
        )
        raise ModelError(folder.name, [fault]) from error
    return written, parsed


def _contents(folder: Path, told: dict[str, Any]) -> tuple[dict[str, bytes], list[str]]:
    """The files that a manifest names, and what is wrong with them."""
    weights = told.get("weights", {})
    named = [("file", "sha256", told.get("file"), told.get("sha256"))]
    if isinstance(weights, dict):
        named += [
            ("weights", "weights", name, sha256)
            for name, sha256 in list(weights.items())[:MAX_WEIGHTS_FILES]
        ]
    contents: dict[str, bytes] = {}
    faults: list[str] = []
    for what, key, name, expected in named:
        if not isinstance(name, str) or Path(name).name != name:
            continue  # the manifest's own faults say so
        try:
            left = LARGEST_BYTES - sum(map(len, contents.values()))
            contents[name] = read_inside(folder, name, left)
        except (OSError, ValueError) as error:
            faults.append(
                said("{what}: {file}: {reason}", what=what, file=name, reason=reason_of(error))
            )
            continue
        found = hashlib.sha256(contents[name]).hexdigest()
        if isinstance(expected, str) and found != expected:
            faults.append(
                said(
                    "{key}: {file} has {found}, the manifest says {expected}",
                    key=key,
                    file=name,
                    found=found,
                    expected=expected,
                )
            )
    return contents, faults


def _family_faults(told: dict[str, Any]) -> Iterator[str]:
    family = told.get("family")
    if isinstance(family, str) and family not in family_names():
        yield said(
            "family: no family {family!r}; there are: {known}", family=family, known=family_names()
        )
