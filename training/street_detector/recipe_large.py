"""The larger street detector's steps: drawn streets, decoded pictures, one training, and the model."""

from __future__ import annotations

from collections.abc import Sequence

from training.make import Options, Step
from training.street.steps import stalls, stills
from training.street_detector import recipe

START = "nanodet_plus/nanodet_plus_m_1.5x_416.onnx"
ROOM = "training.street_detector.steps_large"
# Most is learned at the small sizes, which cost half; the last epochs are at the size that is shipped.
SIZES_PX = (320,) * 6 + (352,) * 2 + (416,) * 2
STEPS_PER_EPOCH = 50


def steps(options: Options) -> Sequence[Step]:
    """Drawn streets, decoded pictures, the training, and the model."""
    sets = options.teaching(recipe.SETS)
    drawn = (stills(31, every_stall=True), stills(33, every_stall=True), stalls(62, 160))
    batches = () if options.quick else drawn
    known = options.models / "street"
    files = (
        *(options.weights / each for each in recipe.TEACHERS),
        known / "model.onnx",
        known / "groups.json",
    )
    numbers = {
        "sizes": [320, 416] if options.quick else list(SIZES_PX),
        "steps": options.few(STEPS_PER_EPOCH, 2),
        "most": options.few(10_000, 12),
    }
    names = tuple(batch.name for batch in batches)
    decoded = Step(
        "pictures", f"{recipe.ROOM}:decode", names, sets, recipe={"most": numbers["most"]}
    )
    training = Step(
        "training", f"{ROOM}:train_large", ("pictures", *names), sets,
        files=files, recipe=numbers, packages=recipe.PACKAGES,
    )  # fmt: skip
    model = Step(
        "model", f"{ROOM}:finish_large", ("pictures", *names, "training"), sets,
        judged=recipe.JUDGES, files=files, recipe=numbers, packages=recipe.PACKAGES,
    )  # fmt: skip
    return (*batches, decoded, training, model)
