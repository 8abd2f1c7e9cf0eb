"""Build networks: from the ways a model can be named to one with its weights."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from os import PathLike

from napari_samv2_prompts.samv2.modeling.config import Variant
from napari_samv2_prompts.samv2.modeling.network import SAMV2Network
from napari_samv2_prompts.samv2.nano.config import NanoVariant
from napari_samv2_prompts.samv2.nano.network import NanoNetwork

from .checkpoints import load, read_state
from .meta_init import init_on_meta
from .registry import CheckpointError, find
from .variants import DEFAULT_MODEL, DEFAULT_VERSION, available_models, find_variant


def build_network(variant: Variant) -> SAMV2Network:
    """Return the network of a variant with random weights, in training mode."""
    return NanoNetwork(variant) if isinstance(variant, NanoVariant) else SAMV2Network(variant)


def build_samv2(
    model: str | Variant,
    *,
    version: str = DEFAULT_VERSION,
    checkpoint: str | PathLike[str] | None = None,
) -> SAMV2Network:
    """Build a network in evaluation mode.

    Parameters
    ----------
    model : str or Variant
        A name of :func:`.available_models`, or a row of one's own.
    version : str
        "2.0" or "2.1", for short names of published sizes.
    checkpoint : path, optional
        Weights to load.  Without it the weights are random, which only tests want.

    Raises
    ------
    ValueError
        If the model does not exist.
    CheckpointError
        If the file does not hold weights of this model.
    """
    variant = model if isinstance(model, Variant) else find_variant(model, version)
    if checkpoint is None:
        return build_network(variant).eval()
    with init_on_meta():  # random weights would only be replaced
        network = build_network(variant).eval()
    load(network, checkpoint)
    return network


def network_from_arguments(
    model: str | SAMV2Network | None,
    flags: Mapping[str, bool],
    version: str,
    checkpoint: str | PathLike[str] | None,
) -> SAMV2Network:
    """Build the network that the predictor's arguments name, never one with random weights.

    - `flags`: sizes that were asked for by a flag
    - `checkpoint`: user's weights; without a model named, the size is recognised from the file
    - raises ValueError if several models are named, or one that does not exist
    - raises CheckpointError if there are no weights to be had
    """
    named = [size for size, asked in flags.items() if asked]
    if model is not None:
        named.insert(0, model if isinstance(model, str) else "a built network")
    if len(named) > 1:
        raise ValueError(f"Name one model, not {len(named)}: {', '.join(named)}.")
    if isinstance(model, SAMV2Network):
        network = deepcopy(model)  # it is given a device and a number type; whose it is, keeps it
        if checkpoint is not None:
            load(network, checkpoint)
        return network
    if model is not None and not isinstance(model, str):
        raise ValueError(
            f"model must be a name or a built network, not {type(model).__name__}. "
            f"The models are: {', '.join(available_models())}."
        )
    if checkpoint is not None:
        return _from_user_file(named, version, checkpoint)
    name = named[0] if named else DEFAULT_MODEL
    variant = find_variant(name, version)
    path = find(name, version)
    if path is None:
        if variant.name == DEFAULT_MODEL:
            raise CheckpointError(
                f"The weights of the bundled model {name!r} are missing from this installation: "
                "install the package again from a wheel."
            )
        from .download import download  # late: only few ever need what it imports

        path = download(name, version)
    return build_samv2(variant, checkpoint=path)


def _from_user_file(
    named: list[str], version: str, checkpoint: str | PathLike[str]
) -> SAMV2Network:
    """Build for a user's file: of the named size, or of the size that the file has."""
    if named:
        return build_samv2(named[0], version=version, checkpoint=checkpoint)
    return build_samv2(read_state(checkpoint).variant, checkpoint=checkpoint)
