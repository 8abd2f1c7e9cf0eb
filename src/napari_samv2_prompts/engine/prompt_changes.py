"""Which prompts the results don't answer yet, and how they are to be asked.

- An object is to be decoded again when its prompt or the model changed, never because of its
  neighbours, the contrast, the plane or the part of it that is on screen.
- A click that was answered in one view belongs to the plane of that view, though the planes of
  other views that lie across it have the same pixel.
- A prompt that only gained clicks (or a box) is a refinement: the low-res logits of the chosen mask
  go back in.  Once something was moved or taken away they would hold on to what the user corrected,
  so the object starts anew from its prompts.  So does one whose mask ended where its view did,
  once it is seen in another, and one whose logits were released.

Pure functions of requests and results.  Not here: when anything runs (``planner.py``).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

import numpy as np

from napari_samv2_prompts.prompts import Prompt, PromptBatch

from .coordinates import held_by, view_holding
from .requests import Request
from .result_store import Known, ResultStore, pixels_of


def prompt_key(prompt: Prompt) -> Hashable:
    """Return what makes two prompts the same."""
    mask = None
    if prompt.mask is not None:
        mask = prompt.mask_box, prompt.mask.shape, prompt.mask.tobytes()
    return prompt.object, prompt.points.tobytes(), prompt.labels.tobytes(), prompt.box, mask


def extends(new: Prompt, old: Prompt) -> bool:
    """Whether a prompt says all that an older one said, and more.

    Clicks are compared as a collection: the order of the points in a layer does not matter.
    """

    def clicks(prompt: Prompt) -> list[tuple[float, ...]]:
        rows = zip(prompt.points.tolist(), prompt.labels.tolist(), strict=True)
        return [(*xy, label) for xy, label in rows]

    left = clicks(new)
    for click in clicks(old):
        if click not in left:
            return False
        left.remove(click)
    same_box = old.box is None or old.box == new.box
    same_mask = old.mask is None or (
        new.mask is not None and old.mask_box == new.mask_box and np.array_equal(old.mask, new.mask)
    )
    said_anything = len(old.points) > 0 or old.box is not None or old.mask is not None
    return said_anything and same_box and same_mask


def drawn_here(request: Request, store: ResultStore) -> Request:
    """Return a request without objects all of whose clicks were answered on planes across its own.

    Those that were answered on this plane, too, stay.
    """
    across = store.clicks_across(request.place)

    def belongs(prompt: Prompt) -> bool:
        known = store.get(request.place, prompt.object)
        if prompt.object not in across or prompt.box is not None or (known and known.is_prompted):
            return True
        return not across[prompt.object].issuperset(pixels_of(request.place.plane, prompt.points))

    if not across:
        return request
    return replace(request, prompts=PromptBatch(tuple(filter(belongs, request.prompts))))


def changed(request: Request, store: ResultStore) -> list[Prompt]:
    """Return the prompts that the last masks don't answer."""
    known = ((prompt, store.get(request.place, prompt.object)) for prompt in request.prompts)
    return [prompt for prompt, item in known if item is None or not _answers(item, prompt, request)]


def _answers(known: Known, prompt: Prompt, request: Request) -> bool:
    if not known.is_prompted or known.model != request.model:
        return False
    if known.result.is_released and known.wanted != known.result.chosen:
        return False  # the candidate that is wanted has to be made again
    return known.prompt is prompt or prompt_key(known.prompt) == prompt_key(prompt)


def refined(request: Request, prompt: Prompt, store: ResultStore) -> Prompt:
    """Add the logits of the last mask to a prompt that only gained clicks."""
    known = store.get(request.place, prompt.object)
    if known is None or known.model != request.model or not extends(prompt, known.prompt):
        return prompt
    result = known.result
    if result.view is None or result.is_released:
        return prompt
    region = result.view.region
    if region != request.view.region and result.is_cut:
        return prompt
    logits = result.masks.low_res_logits[result.chosen]
    return replace(prompt, mask=logits, mask_box=region.extent)


def next_part(request: Request, store: ResultStore) -> Request:
    """Return what has to be done first: changed prompts, in a view that holds them."""
    view, open_ = request.view, changed(request, store)
    held = held_by(view, open_)
    if open_ and not held:
        view = view_holding(view, open_[0])
        held = held_by(view, open_)
    return replace(request, view=view, prompts=PromptBatch(tuple(held)))


def still_asked(part: Request, request: Request | None, store: ResultStore) -> bool:
    """Whether a part of an older request still answers a newer one, though in another region."""
    if request is None or part.view.region == request.view.region:
        return False
    here = request.view.picture, request.place, request.model
    open_ = {prompt_key(prompt) for prompt in changed(request, store)}
    return here == (part.view.picture, part.place, part.model) and open_.issuperset(
        map(prompt_key, part.prompts)
    )
