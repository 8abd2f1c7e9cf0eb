"""What is measured as a whole process: cold start to the first masks, and peak memory.

``python -m benchmarks.one_process ours|theirs SIZE`` embeds a picture and decodes 64 boxes.
"""

from __future__ import annotations

import sys

import torch

from benchmarks.model import Ours, Theirs, random_network
from benchmarks.pictures import picture


def main(side: str, name: str) -> None:
    """Embed once and decode the boxes once."""
    network = random_network(name)
    if side == "ours":
        from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

        Ours(SAMV2ImagePredictor(network, device="cpu"), picture()).boxes()()
    else:
        Theirs(network, picture(), torch.device("cpu")).boxes()()


if __name__ == "__main__":
    main(*sys.argv[1:])
