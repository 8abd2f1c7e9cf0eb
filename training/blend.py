"""Mix the weights of two stages: ``python -m training.blend LATER EARLIER --share 0.2 --to FILE``.

Weights that come from each other by training can be averaged (Wortsman et al., *Model soups*,
2022), which keeps some of what the later stages forgot.  The parts that score masks are taken from
the earlier one as a whole: they are few weights, and belong together.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.checkpoint import recipe_before, weights_before
from training.evaluate import BUNDLED
from training.export import write

if TYPE_CHECKING:
    from torch import Tensor

SCORES = ("iou_prediction_head", "iou_token", "mask_scores")
"""Parts of the decoder that score masks."""


def blend(later: dict[str, Tensor], earlier: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Return the later weights with a share of the earlier ones, and the earlier ones' scores."""
    return {
        name: earlier[name]
        if any(part in name.split(".") for part in SCORES)
        else tensor.lerp(earlier[name], share)
        for name, tensor in later.items()
    }


def main() -> None:
    """Read the command line, blend and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("later", type=Path, help="checkpoint or exported file")
    parser.add_argument("earlier", type=Path, help="checkpoint or exported file")
    parser.add_argument("--share", type=float, default=0.2, help="of the earlier weights")
    parser.add_argument("--to", type=Path, default=BUNDLED)
    args = parser.parse_args()
    weights = blend(weights_before(args.later), weights_before(args.earlier), args.share)
    recipe: dict[str, Any] = {
        "stage": "blend",
        "share": args.share,
        "begin": recipe_before(args.later),
        "earlier": recipe_before(args.earlier),
    }
    write(weights, recipe, recipe["begin"]["stopped_at"], args.to)
    print(f"{args.to}: {args.to.stat().st_size:,} bytes, {json.dumps(recipe)[:40]}...")


if __name__ == "__main__":
    main()
