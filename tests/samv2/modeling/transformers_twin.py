"""The same network with the same weights in the ``transformers`` library: an independent oracle."""

from __future__ import annotations

import re

import torch
from torch import Tensor
from transformers import Sam2Config, Sam2Model

from napari_samv2_prompts.samv2.modeling.config import Variant
from napari_samv2_prompts.samv2.modeling.memory_parts import MEMORY_PREFIXES
from napari_samv2_prompts.samv2.modeling.network import SAMV2Network

RENAMES = (
    (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
    (r"^image_encoder\.neck\.convs\.(\d)\.conv\.", r"vision_encoder.neck.convs.\1."),
    (r"patch_embed\.proj\.", "patch_embed.projection."),
    (r"^sam_prompt_encoder\.mask_downscaling\.0\.", "prompt_encoder.mask_embed.conv1."),
    (r"^sam_prompt_encoder\.mask_downscaling\.1\.", "prompt_encoder.mask_embed.layer_norm1."),
    (r"^sam_prompt_encoder\.mask_downscaling\.3\.", "prompt_encoder.mask_embed.conv2."),
    (r"^sam_prompt_encoder\.mask_downscaling\.4\.", "prompt_encoder.mask_embed.layer_norm2."),
    (r"^sam_prompt_encoder\.mask_downscaling\.6\.", "prompt_encoder.mask_embed.conv3."),
    (r"^sam_prompt_encoder\.", "prompt_encoder."),
    (r"^sam_mask_decoder\.", "mask_decoder."),
    (r"output_upscaling\.0\.", "upscale_conv1."),
    (r"output_upscaling\.1\.", "upscale_layer_norm."),
    (r"output_upscaling\.3\.", "upscale_conv2."),
    (r"(hypernetworks_mlps\.\d|_head)\.layers\.0\.", r"\1.proj_in."),
    (r"(hypernetworks_mlps\.\d|_head)\.layers\.1\.", r"\1.layers.0."),
    (r"(hypernetworks_mlps\.\d|_head)\.layers\.2\.", r"\1.proj_out."),
    (r"\.mlp\.layers\.0\.", ".mlp.proj_in."),
    (r"\.mlp\.layers\.1\.", ".mlp.proj_out."),
    (r"\.norm(\d)\.", r".layer_norm\1."),
    (r"norm_final_attn", "layer_norm_final_attn"),
    (r"\.out_proj\.", ".o_proj."),
    (r"^no_mem_embed$", "no_memory_embedding"),
)
MATRIX = "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"


def twin_state(network: SAMV2Network) -> dict[str, Tensor]:
    """Return the network's weights under the twin's names."""
    state = {k: t for k, t in network.state_dict().items() if not k.startswith(MEMORY_PREFIXES)}
    matrix = state.pop(MATRIX)
    points = [state.pop(f"sam_prompt_encoder.point_embeddings.{i}.weight") for i in range(4)]
    twin = {}
    for name, tensor in state.items():
        renamed = name
        for pattern, replacement in RENAMES:
            renamed = re.sub(pattern, replacement, renamed)
        twin[renamed] = tensor
    twin["prompt_encoder.point_embed.weight"] = torch.cat(points)
    twin["prompt_encoder.shared_embedding.positional_embedding"] = matrix
    twin["shared_image_embedding.positional_embedding"] = matrix
    return twin


def build_twin(network: SAMV2Network, side: int) -> Sam2Model:
    """Build the twin of a network for an input of ``side`` pixels."""
    row: Variant = network.variant
    backbone = {
        "hidden_size": row.embed_dim,
        "num_attention_heads": row.heads,
        "image_size": [side, side],
        "blocks_per_stage": list(row.blocks),
        "embed_dim_per_stage": list(row.stage_widths),
        "num_attention_heads_per_stage": [row.heads * 2**i for i in range(4)],
        "window_size_per_stage": list(row.windows),
        "window_positional_embedding_background_size": [row.position_size] * 2,
        "global_attention_blocks": list(row.global_blocks),
        "model_type": "sam2_hiera_det_model",
    }
    config = Sam2Config(
        vision_config={
            "backbone_config": backbone,
            "backbone_channel_list": list(row.stage_widths[::-1]),
            "backbone_feature_sizes": [[side // 4] * 2, [side // 8] * 2, [side // 16] * 2],
            "model_type": "sam2_vision_model",
        },
        prompt_encoder_config={"image_size": side},
    )
    with torch.device("meta"):
        twin = Sam2Model(config)
    twin.load_state_dict(twin_state(network), strict=True, assign=True)
    return twin.eval()
