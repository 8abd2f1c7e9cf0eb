"""The networks that fine-tuning begins with, and the files it ends with."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save_file

from napari_samv2_prompts.files import written_whole
from napari_samv2_prompts.samv2.device import choose_device
from napari_samv2_prompts.samv2.modeling.network import SAMV2Network
from napari_samv2_prompts.samv2.weights.build import network_from_arguments
from napari_samv2_prompts.samv2.weights.variants import DEFAULT_VERSION, available_models

from .loop import Result


def network_to_train(begin: str, device: str = "auto") -> SAMV2Network:
    """Build the network of a model's name or of a file with weights.

    Raises ValueError if it is neither.
    """
    named = begin in available_models()
    if not named and not Path(begin).is_file():
        raise ValueError(
            f"{begin!r} is no model and no file. The models are: {', '.join(available_models())}."
        )
    network = network_from_arguments(
        begin if named else None, {}, DEFAULT_VERSION, None if named else begin
    )
    return network.to(choose_device(device, "float32").device)


def write_weights(result: Result, facts: dict[str, object], path: Path) -> None:
    """Write the result as float16 safetensors in the published layout, with how it was made.

    Raises ValueError if a weight does not fit into float16.
    """
    tensors = {
        name: tensor.detach().cpu().half().contiguous()
        for name, tensor in result.network.state_dict().items()
    }
    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise ValueError(f"These weights do not fit into float16: {', '.join(broken)}.")
    facts = facts | {
        "steps made": result.steps,
        "before": [result.before.box, result.before.click],
        "after": [result.after.box, result.after.click],
    }
    with written_whole(path) as part:
        save_file(tensors, part, {"format": "pt", "fine_tuned": json.dumps(facts)})
