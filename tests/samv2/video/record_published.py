"""Record what the published video predictor answers, as test data (``tests/data``).

A development aid: needs the official package ``sam2`` 1.1.0 with hydra-core and iopath on the
path, and nothing of it is needed to run the tests.  Weights and film are those of
``tests/samv2/video/films.py``; cases are those of ``tests/samv2/video/published_cases.py``.

    PYTHONPATH=src:.:OFFICIAL python tests/samv2/video/record_published.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from omegaconf import OmegaConf
from PIL import Image
from tests.samv2.video.films import MINI, moving_discs, network_with_memory
from tests.samv2.video.published_cases import CASES, FRAMES, RECORDED, SIDE, Case

VERSIONS = {"2.0": "configs/sam2/sam2_hiera_t.yaml", "2.1": "configs/sam2.1/sam2.1_hiera_t.yaml"}
NAMES = {
    "points": "add_new_points_or_box",
    "mask": "add_new_mask",
    "clear": "clear_all_prompts_in_frame",
    "pass": "propagate_in_video",
}
OVERRIDES = [
    "++model._target_=sam2.sam2_video_predictor.SAM2VideoPredictor",
    "++model.sam_mask_decoder_extra_args.dynamic_multimask_via_stability=true",
    "++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_delta=0.05",
    "++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_thresh=0.98",
    "++model.binarize_mask_from_pts_for_mem_enc=true",
    f"++model.image_size={SIDE}",
    f"++model.image_encoder.trunk.embed_dim={MINI.embed_dim}",
    f"++model.image_encoder.trunk.stages={list(MINI.blocks)}",
    f"++model.image_encoder.trunk.global_att_blocks={list(MINI.global_blocks)}",
    f"++model.image_encoder.neck.backbone_channel_list={list(MINI.stage_widths[::-1])}",
]


def official(case: Case) -> Any:
    """Build the official predictor with the weights of the tests."""
    GlobalHydra.instance().clear()
    initialize_config_module("sam2", version_base="1.2")
    options = [f"++model.add_all_frames_to_correct_as_cond={str(case.corrections_count).lower()}"]
    config = compose(config_name=VERSIONS[case.version], overrides=OVERRIDES + options)
    OmegaConf.resolve(config)
    model = instantiate(config.model, _recursive_=True)
    network = network_with_memory(MINI, SIDE, version=case.version, present=case.present)
    model.load_state_dict(network.state_dict(), strict=True)
    # Memories are kept as bfloat16, and without autocast nothing there turns them back.
    read = model.memory_attention.forward
    model.memory_attention.forward = lambda memory, **given: read(memory=memory.float(), **given)
    return model.eval()


def record(case: Case) -> dict[str, np.ndarray]:
    """Return low-res logits after each step of a case, as its driver asks for them."""
    model = official(case)
    found: list[np.ndarray] = []
    scores: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, frame in enumerate(moving_discs(FRAMES, SIDE)):
            path = Path(folder) / f"{number}.png"
            Image.fromarray(frame).save(path)
            path.rename(path.with_suffix(".jpg"))  # the only name that is read; nothing is lost
        state = model.init_state(folder)
        for frame in case.go(model, state, NAMES):
            for index in range(len(state["obj_ids"])):
                for side in (
                    state["temp_output_dict_per_obj"][index],
                    state["output_dict_per_obj"][index],
                ):
                    known = {**side["non_cond_frame_outputs"], **side["cond_frame_outputs"]}
                    if frame in known:
                        found.append(known[frame]["pred_masks"][0, 0, ::2, ::2].numpy())
                        scores.append(float(known[frame]["object_score_logits"]))
                        break
    return {"logits": np.stack(found), "scores": np.array(scores, np.float32)}


def main() -> None:
    """Record all cases into one file."""
    arrays = {f"{c.name}/{key}": value for c in CASES for key, value in record(c).items()}
    np.savez_compressed(RECORDED, **arrays)


if __name__ == "__main__":
    main()
