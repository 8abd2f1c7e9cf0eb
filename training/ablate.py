"""What each part of the small model is worth: ``python -m training.ablate --data FOLDER``.

The validation pictures are asked for with one part after the other taken out of the trained model:
its maps are empty, its layers pass on what they get, its scores stay as they were. The rest was
trained to have the part, so a row says at most what the part is worth; what costs nothing here is
not needed. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
from napari_samv2_prompts.samv2.modeling.mask_decoder import choose_single
from napari_samv2_prompts.samv2.nano import (
    decode,
    network,
    prompt_encoder,
    pyramid,
    window_decoding,
)
from napari_samv2_prompts.samv2.nano.network import NanoNetwork
from training.annotated import Annotated, read_all
from training.data import NUCLEI
from training.evaluate import BUNDLED, evaluate_image, load_model
from training.report import Row

MEASURES = ("box", "clicks 1", "best of three")


def _empty(module: Any, name: str) -> Any:
    """Take away maps: what draws them draws zeros."""
    draw: Callable[..., Tensor] = getattr(module, name)
    return patch.object(module, name, lambda *given: torch.zeros_like(draw(*given)))


def _same_scores(scores: Tensor, *_: object) -> Tensor:
    return scores


def _all_pieces(logits: Tensor, *_: object) -> Tensor:
    return logits


def _own_scores(seen: Tensor) -> Tensor:
    """What the network says of a mask and how far its level agrees, as before they are fitted."""
    return (seen[:, 0] + seen[:, 2]) / 2


def _singles(*given: Any) -> tuple[Tensor, Tensor]:
    """Mask 0 of each box, or the best of the others where it is not stable."""
    chosen = [choose_single(found.decoded) for found in given[2]]
    return torch.cat([one.logits for one in chosen]), torch.cat([one.scores for one in chosen])


def _of_one_level(model: NanoNetwork, levels: Sequence[Any], *rest: Any) -> Any:
    return pyramid.candidates_of_clicks(model, levels[:1], *rest)


def parts(model: NanoNetwork) -> dict[str, list[Any]]:
    """By the name of a part, what takes it out: context managers."""
    decoder = model.sam_mask_decoder
    places = (window_decoding, pyramid)
    return {
        "nothing": [],
        "clicks, box and last logits as maps": [_empty(prompt_encoder, "draw_prompts")],
        "ellipse of the box": [_empty(prompt_encoder, "draw_ellipse")],
        "similarity to prompted places": [_empty(prompt_encoder, "draw_similarity")],
        "distance along paths": [_empty(prompt_encoder, "draw_geodesic")],
        "convolutions at stride 8": [patch.object(decoder, "refine_8", nn.Identity())],
        "convolutions at stride 4": [patch.object(decoder, "refine_4", nn.Identity())],
        "scores by looks": [
            patch.object(decoder.mask_scores, "forward", lambda _, own, __: own),
        ],
        "agreement of a window's masks": [
            patch.object(window_decoding, "with_agreement", _same_scores)
        ],
        "score across scales": [patch.object(model.scale_scores, "forward", _own_scores)],
        "one mask of a box": [patch.object(decode, "_of_boxes", _singles)],
        "closer look": [patch.object(decode, "small_enough", lambda *_: [])],
        "pyramid": [patch.object(decode, "candidates_of_clicks", _of_one_level)],
        "one piece": [patch.object(each, "without_unprompted", _all_pieces) for each in places],
        "stretched contrast": [patch.object(network, "stretch_contrast", _all_pieces)],
    }


def measured(model: NanoNetwork, images: Sequence[Annotated], limit: int) -> dict[str, float]:
    """Mean IoU over kinds of pictures, for nuclei and for all others."""
    predictor = SAMV2ImagePredictor(model, device="cpu", dtype="float32")
    rows: list[Row] = []
    for item in tqdm(images, unit="image", mininterval=10, leave=False):
        rows += evaluate_image(predictor, item, limit, count=1, compare=False)
    found = {}
    for group, nuclei in (("nuclei", True), ("others", False)):
        kinds = {row["kind"] for row in rows if (row["kind"] in NUCLEI) == nuclei}
        for measure in MEASURES:
            means = [np.mean([r[measure] for r in rows if r["kind"] == kind]) for kind in kinds]
            found[f"{group}: {measure}"] = float(np.mean(means))
    return found


def main() -> None:
    """Read the command line, take out one part after the other, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of nuclei, open, volumes")
    parser.add_argument("--weights", type=Path, default=BUNDLED)
    parser.add_argument("--every", type=int, default=3, help="take every n-th image")
    parser.add_argument("--limit", type=int, default=6, help="objects an image at most")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = load_model(args.weights)
    assert isinstance(model, NanoNetwork)
    images = read_all(args.data, validation=True)[:: args.every]
    whole: dict[str, float] = {}
    for name, ways in parts(model).items():
        with ExitStack() as taken_out:
            for way in ways:
                taken_out.enter_context(way)
            found = measured(model, images, args.limit)
        if not whole:
            whole = found
            print("| without | " + " | ".join(found) + " |\n" + "|---" * (len(found) + 1) + "|")
        shown = [f"{v:.3f}" if v == whole[k] else f"{v - whole[k]:+.3f}" for k, v in found.items()]
        print(f"| {name} | " + " | ".join(shown) + " |", flush=True)


if __name__ == "__main__":
    main()
