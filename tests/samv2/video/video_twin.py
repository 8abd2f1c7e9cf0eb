"""The same network with its memory in the ``transformers`` library: an independent oracle."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import torch
from tests.samv2.modeling.transformers_twin import build_twin, twin_state
from torch import Tensor
from transformers import Sam2VideoConfig, Sam2VideoModel
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

from napari_samv2_prompts.samv2.inference.preprocess import to_pixels
from napari_samv2_prompts.samv2.modeling.memory_parts import MEMORY_PREFIXES
from napari_samv2_prompts.samv2.modeling.network import SAMV2Network

RENAMES = (
    (r"^(memory_attention\..*)\.norm(\d)\.", r"\1.layer_norm\2."),
    (r"^memory_attention\.norm\.", "memory_attention.layer_norm."),
    (r"\.out_proj\.", ".o_proj."),
    (r"^memory_encoder\.o_proj\.", "memory_encoder.projection."),
    (r"pix_feat_proj", "feature_projection"),
    (r"\.fuser\.layers\.", ".memory_fuser.layers."),
    (r"\.gamma$", ".scale"),
    (r"\.dwconv\.", ".depthwise_conv."),
    (r"(memory_fuser\.layers\.\d)\.norm\.", r"\1.layer_norm."),
    (r"\.pwconv(\d)\.", r".pointwise_conv\1."),
    (r"mask_downsampler\.encoder\.12\.", "mask_downsampler.final_conv."),
    (r"^obj_ptr_proj\.layers\.0\.", "object_pointer_proj.proj_in."),
    (r"^obj_ptr_proj\.layers\.1\.", "object_pointer_proj.layers.0."),
    (r"^obj_ptr_proj\.layers\.2\.", "object_pointer_proj.proj_out."),
    (r"^obj_ptr_tpos_proj\.", "temporal_positional_encoding_projection_layer."),
    (r"^no_obj_embed_spatial$", "occlusion_spatial_embedding_parameter"),
    (r"^maskmem_tpos_enc$", "memory_temporal_positional_encoding"),
    (r"^no_obj_ptr$", "no_object_pointer"),
    (r"^no_mem_pos_enc$", "no_memory_positional_encoding"),
)


def _downsampler(found: re.Match[str]) -> str:
    number, kind = divmod(int(found.group(1)), 3)
    return f"mask_downsampler.layers.{number}.{'conv' if kind == 0 else 'layer_norm'}."


def video_state(network: SAMV2Network) -> dict[str, Tensor]:
    """Return the network's weights under the twin's names."""
    twin = {}
    for name, tensor in network.state_dict().items():
        if not name.startswith(MEMORY_PREFIXES):
            continue
        renamed = name
        for pattern, replacement in RENAMES:
            renamed = re.sub(pattern, replacement, renamed)
        twin[re.sub(r"mask_downsampler\.encoder\.(\d+)\.", _downsampler, renamed)] = tensor
    return {**twin_state(network), **twin}


def build_video_twin(network: SAMV2Network, side: int) -> Sam2VideoModel:
    """Build the twin of a network, with its memory, for an input of ``side`` pixels."""
    image = build_twin(network, side).config
    newer = network.variant.version == "2.1"
    config = Sam2VideoConfig(
        vision_config=image.vision_config.to_dict(),
        prompt_encoder_config={"image_size": side},
        image_size=side,
        memory_attention_rope_feat_sizes=[side // 16] * 2,
        enable_occlusion_spatial_embedding=newer,
        enable_temporal_pos_encoding_for_object_pointers=newer,
    )
    with torch.device("meta"):
        twin = Sam2VideoModel(config)
    twin.load_state_dict(video_state(network), strict=True, assign=True)
    # Not in the weights, and left on the meta device above.
    attention = twin.memory_attention
    attention.rotary_emb = type(attention.rotary_emb)(config)
    attention.register_buffer(
        "position_ids", type(attention).precompute_positions(config), persistent=False
    )
    return twin.eval()


class TwinFilm:
    """A film in the twin: prompts, and passes of which the first object is looked at.

    Parameters
    ----------
    twin : Sam2VideoModel
    frames : array of shape (T, side, side, 3), uint8
        As large as the network's input, so that nothing is resized.
    device : str
        Where the twin is brought, and computes.
    """

    def __init__(self, twin: Sam2VideoModel, frames: np.ndarray, device: str = "cpu") -> None:
        side = frames.shape[1]
        pixels = [to_pixels(frame, side, torch.device("cpu"))[0] for frame in frames]
        self._twin = torch.nn.Module.to(twin, device)
        self._session = Sam2VideoInferenceSession(
            video=torch.stack(pixels),
            video_height=side,
            video_width=side,
            inference_device=device,
            inference_state_device=device,
            video_storage_device=device,
            dtype=torch.float32,
        )

    def prompt(
        self, frame: int, points: list[list[float]], labels: list[int], number: int = 1
    ) -> Tensor:
        """Prompt with clicks, and corners of a box as labels 2 and 3; return low-res logits."""
        session = self._session
        index = session.obj_id_to_idx(number)
        inputs = {
            "point_coords": torch.tensor(points)[None, None],
            "point_labels": torch.tensor(labels)[None, None],
        }
        session.add_point_inputs(index, frame, inputs)
        if number not in session.obj_with_new_inputs:
            session.obj_with_new_inputs.append(number)
        with torch.inference_mode():
            return self._twin(session, frame_idx=frame).pred_masks[0, 0]

    def follow(self, **options: object) -> Iterator[tuple[int, Tensor]]:
        """Yield frames and low-res logits."""
        with torch.inference_mode():
            for output in self._twin.propagate_in_video_iterator(self._session, **options):
                yield output.frame_idx, output.pred_masks[0, 0]

    def forget_embeddings(self) -> None:
        """Make the next frame be embedded, whichever it is."""
        self._session.cache.clear_all()
