"""The video predictor: objects are prompted on some frames of a film and followed to the others.

The published predictor's semantics with SSSegmentation's names.  Two things are better by default,
and can be had as published: a correction on a frame that was followed to counts as a prompted frame
(``add_all_frames_to_correct_as_cond``), and an object that is first prompted late in the film is
followed backwards to where a pass starts, in place of being looked for before it was ever shown
(``track_both_ways``).

Not here: films, and objects on frames as values (``video_model.py``); what a pass does on each
frame (``video/passes.py``), and the rest of that room.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .modeling.network import SAMV2Network
from .video.memory import MemoryBank
from .video.output import Output, Result
from .video.passes import each_within, order_of
from .video.prompts import (
    mask_from_array,
    points_from_arrays,
    require_frame,
    require_object,
    require_prompts,
)
from .video.state import PointPrompts, TrackedObject, VideoState
from .video.tracked import Tracked
from .video_model import VideoModel


class SAMV2VideoPredictor(VideoModel):
    """Follow objects through a film from clicks, boxes and masks on any of its frames.

    Parameters
    ----------
    model : str or SAMV2Network, optional
        One that has a memory: of the four published sizes, or weights fine-tuned from them.
        ``tiny`` if none is named.
    mask_threshold : float
        Logit above which a pixel is in the mask.
    max_hole_area, max_sprinkle_area : float
        Fill holes and remove specks up to this area, in cells of the low-res logits, in what is
        returned, not in what is remembered.
    add_all_frames_to_correct_as_cond : bool
        Whether a correction on a frame that was followed to makes it a conditioning frame, which
        all others look at.  False, as published, lets it fade after six frames, and drops it on a
        frame that is one already.
    track_both_ways : bool
        Whether objects first prompted ahead of where a pass starts are followed to there, against
        its direction.  False, as published, looks for them from what lies ahead alone.
    max_cond_frames_in_attn : int, optional
        Look at this many conditioning frames at most, the nearest ones; by default at all.
    non_overlap_masks : bool
        Whether each pixel is given to one object at most, the surest.
    **options
        ``use_default_samv2_t``, ``version``, ``checkpoint``, ``device``, ``dtype`` and the others
        of :class:`.SAMV2ImagePredictor`.

    Raises
    ------
    ValueError
        If more than one model is named, one that does not exist, or one without a memory.
    CheckpointError
        If the weights cannot be had, do not fit, or have no memory.
    """

    def __init__(
        self,
        model: str | SAMV2Network | None = None,
        *,
        mask_threshold: float = 0.0,
        max_hole_area: float = 0.0,
        max_sprinkle_area: float = 0.0,
        add_all_frames_to_correct_as_cond: bool = True,
        track_both_ways: bool = True,
        max_cond_frames_in_attn: int | None = None,
        non_overlap_masks: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(model, **options)
        self._output = Output(mask_threshold, max_hole_area, max_sprinkle_area, non_overlap_masks)
        self.add_all_frames_to_correct_as_cond = add_all_frames_to_correct_as_cond
        self.track_both_ways = track_both_ways
        self.max_cond_frames_in_attn = max_cond_frames_in_attn

    def addnewpoints(
        self,
        inference_state: VideoState,
        frame_idx: int,
        obj_id: int,
        points: ArrayLike,
        labels: ArrayLike,
        clear_old_points: bool = True,
        normalize_coords: bool = True,
    ) -> Result:
        """Prompt an object with clicks; see :meth:`addnewpointsorbox`."""
        how = clear_old_points, normalize_coords
        return self.addnewpointsorbox(inference_state, frame_idx, obj_id, points, labels, *how)

    def addnewpointsorbox(
        self,
        inference_state: VideoState,
        frame_idx: int,
        obj_id: int,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        clear_old_points: bool = True,
        normalize_coords: bool = True,
        box: ArrayLike | None = None,
    ) -> Result:
        """Prompt an object on a frame, at any time.

        On a frame that the object was followed to already, this is a correction: it is answered
        with what is remembered of other frames.  Logits that the object has there are fed back.

        Parameters
        ----------
        inference_state : VideoState
        frame_idx : int
        obj_id : int
            Any number; a new one is a new object.
        points : array-like of shape (N, 2), optional
            ``(x, y)``.
        labels : array-like of shape (N,), optional
            1 on the object, 0 beside it.
        clear_old_points : bool
            Whether earlier points on this frame are dropped.
        normalize_coords : bool
            Coordinates are pixels of the film; if False, shares of width and height in [0, 1].
        box : array-like of shape (4,), optional
            ``x0, y0, x1, y1``.  It comes before all points, so it needs ``clear_old_points``.

        Returns
        -------
        frame_idx : int
        obj_ids : list of int
        logits : array of shape (objects, 1, H, W), float32
            Above 0 is object; -1024 where an object has no answer on this frame.

        Raises
        ------
        ValueError
            If there is no such frame, or prompts are wrong.
        """
        state, frame = self._own(inference_state), require_frame(inference_state, frame_idx)
        size = state.size
        prompts = points_from_arrays(points, labels, box, size, normalize_coords=normalize_coords)
        item = state.objects.get(obj_id) or self._new_object()
        old = item.prompts.get(frame)
        if not clear_old_points:
            if box is not None:
                raise ValueError("A box comes before all points: give it with clear_old_points.")
            prompts = old.followed_by(prompts) if isinstance(old, PointPrompts) else prompts
        with self.computing():
            answer = self._follower.answer(state, item, frame, prompts)
        return self._prompted(state, obj_id, item, frame, prompts, answer)

    def addnewmask(
        self, inference_state: VideoState, frame_idx: int, obj_id: int, mask: ArrayLike
    ) -> Result:
        """Say what an object is on a frame with a mask ``(H, W)``, in place of its points there.

        See :meth:`addnewpointsorbox` for the rest.
        """
        state, frame = self._own(inference_state), require_frame(inference_state, frame_idx)
        given = mask_from_array(mask, state.size)
        item = state.objects.get(obj_id) or self._new_object()
        with self.computing():
            answer = self._tracker.take_mask(self._embedding(state, frame), given)
        return self._prompted(state, obj_id, item, frame, given, answer)

    def propagateinvideopreflight(self, inference_state: VideoState) -> None:
        """Remember all prompts; :meth:`propagateinvideo` does it by itself.

        Raises
        ------
        ValueError
            If there is no object, or one without prompts.
        """
        state = self._own(inference_state)
        with self.computing():
            self._follower.remember_prompts(state)
        require_prompts(state)

    def propagateinvideo(
        self,
        inference_state: VideoState,
        start_frame_idx: int | None = None,
        max_frame_num_to_track: int | None = None,
        reverse: bool = False,
    ) -> Iterator[Result]:
        """Follow all objects through the film.

        Parameters
        ----------
        inference_state : VideoState
        start_frame_idx : int, optional
            By default the first prompted frame of any object.
        max_frame_num_to_track : int, optional
            How far from there; by default to the film's end, or its beginning.
        reverse : bool
            Go backwards.

        Yields
        ------
        frame_idx, obj_ids, logits
            As :meth:`addnewpointsorbox` returns them.

        Raises
        ------
        ValueError
            If nothing was prompted, or there is no such frame.
        OutOfMemoryError
            If the device's memory does not hold the work for one object.
        """
        state = self._own(inference_state)
        self.propagateinvideopreflight(state)
        if start_frame_idx is None:
            start = min(min(item.bank.conditioning) for item in state.objects.values())
        else:
            start = require_frame(state, start_frame_idx)
        order = order_of(start, state.num_frames, max_frame_num_to_track, reverse=reverse)
        steps = self._follower.go(state, order, reverse=reverse, both_ways=self.track_both_ways)
        return (self._output.result(state, frame) for frame in each_within(self.computing, steps))

    def clearallpromptsinframe(
        self, inference_state: VideoState, frame_idx: int, obj_id: int, need_output: bool = True
    ) -> Result | None:
        """Drop an object's prompts on a frame, which then counts as one that was followed to.

        Raises
        ------
        ValueError
            If there is no such frame or object.
        """
        state, frame = self._own(inference_state), require_frame(inference_state, frame_idx)
        require_object(state, obj_id)
        state.objects[obj_id].forget_prompts(frame)
        return self._output.result(state, frame) if need_output else None

    def removeobject(
        self,
        inference_state: VideoState,
        obj_id: int,
        strict: bool = False,
        need_output: bool = True,
    ) -> tuple[list[int], list[tuple[int, NDArray[np.float32]]]]:
        """Forget an object.

        Returns
        -------
        obj_ids : list of int
            The objects that are left.
        updated_frames : list of (int, array)
            The frames on which it was prompted, with the logits of those that are left.

        Raises
        ------
        ValueError
            With ``strict``, if there is no such object.
        """
        state = self._own(inference_state)
        if strict:
            require_object(state, obj_id)
        item = state.objects.pop(obj_id, None)
        if item is None or not need_output or not state.objects:
            return state.obj_ids, []
        frames = sorted(item.prompts)
        return state.obj_ids, [(frame, self._output.logits(state, frame)) for frame in frames]

    def _new_object(self) -> TrackedObject:
        return TrackedObject(bank=MemoryBank(limit=self.max_cond_frames_in_attn))

    def _prompted(
        self,
        state: VideoState,
        obj_id: int,
        item: TrackedObject,
        frame: int,
        prompts: PointPrompts | NDArray[np.bool_],
        answer: Tracked,
    ) -> Result:
        """Note prompts and their answer, which are remembered when a pass begins."""
        counts = frame not in item.directions or self.add_all_frames_to_correct_as_cond
        state.objects[obj_id] = item
        item.prompts[frame] = prompts
        item.pending[frame] = (answer, counts)
        return self._output.result(state, frame)
