"""The video predictor: objects are prompted on some frames of a film and followed to the others.

The published predictor's semantics with SSSegmentation's names.  Two things are better by default,
and can be had as published: a correction on a frame that was followed to counts as a prompted frame
(``add_all_frames_to_correct_as_cond``), and an object that is first prompted late in the film is
followed backwards to where a pass starts, in place of being looked for before it was ever shown
(``track_both_ways``).

Not here: what a pass does on each frame (``video/passes.py``), and the rest of that room.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from .image_predictor import SAMV2ImagePredictor
from .inference.embedding import Embedding
from .inference.preprocess import check_image
from .modeling.config import Variant
from .modeling.network import SAMV2Network
from .video.frames import open_frames, to_square
from .video.memory import Memories, Memory, MemoryBank
from .video.output import Output
from .video.passes import Follower, order_of
from .video.prompts import mask_from_array, points_from_arrays, require_frame, require_object
from .video.state import EMBEDDINGS_KEPT, PointPrompts, TrackedObject, VideoState
from .video.state_file import read_state, write_state
from .video.track import Tracked
from .weights.variants import DEFAULT_VERSION

__all__ = ["SAMV2VideoPredictor"]

DEFAULT_VIDEO_MODEL = "tiny"
"""The smallest model that has a memory."""

Result = tuple[int, list[int], NDArray[np.float32]]
"""A frame, the objects' numbers, and their logits ``(objects, 1, H, W)``; above 0 is object."""


class SAMV2VideoPredictor:
    """Follow objects through a film from clicks, boxes and masks on any of its frames.

    Parameters
    ----------
    model, use_default_samv2_t, use_default_samv2_s, use_default_samv2_bplus, use_default_samv2_l, \
    version, checkpoint, device, dtype, mask_threshold, max_hole_area, max_sprinkle_area
        As of :class:`.SAMV2ImagePredictor`, for models that have a memory: the four published
        sizes.  ``tiny`` if none is named.  Holes and specks are removed from what is returned, not
        from what is remembered.
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
        use_default_samv2_t: bool = False,
        use_default_samv2_s: bool = False,
        use_default_samv2_bplus: bool = False,
        use_default_samv2_l: bool = False,
        version: str = DEFAULT_VERSION,
        checkpoint: str | PathLike[str] | None = None,
        device: str | torch.device = "auto",
        dtype: str = "auto",
        mask_threshold: float = 0.0,
        max_hole_area: float = 0.0,
        max_sprinkle_area: float = 0.0,
        add_all_frames_to_correct_as_cond: bool = True,
        track_both_ways: bool = True,
        max_cond_frames_in_attn: int | None = None,
        non_overlap_masks: bool = False,
    ) -> None:
        flags = (
            use_default_samv2_t,
            use_default_samv2_s,
            use_default_samv2_bplus,
            use_default_samv2_l,
        )
        if model is None and checkpoint is None and not any(flags):
            model = DEFAULT_VIDEO_MODEL
        self.image_predictor = SAMV2ImagePredictor(
            model,
            use_default_samv2_t=use_default_samv2_t,
            use_default_samv2_s=use_default_samv2_s,
            use_default_samv2_bplus=use_default_samv2_bplus,
            use_default_samv2_l=use_default_samv2_l,
            version=version,
            checkpoint=checkpoint,
            device=device,
            dtype=dtype,
        )
        self._tracker = self.image_predictor.tracker()
        self._follower = Follower(self._tracker, self._embedding)
        self._output = Output(mask_threshold, max_hole_area, max_sprinkle_area, non_overlap_masks)
        self.add_all_frames_to_correct_as_cond = add_all_frames_to_correct_as_cond
        self.track_both_ways = track_both_ways
        self.max_cond_frames_in_attn = max_cond_frames_in_attn

    @property
    def device(self) -> torch.device:
        """The device that computes."""
        return self.image_predictor.device

    @property
    def variant(self) -> Variant:
        """The shape of the network."""
        return self.image_predictor.variant

    # --- values ---

    def embed(self, image: ArrayLike) -> Embedding:
        """Embed a frame as the published video loader prepares it: stretched bicubically."""
        frame = check_image(image)
        side = self.variant.input_size
        size = (frame.shape[0], frame.shape[1])
        return self.image_predictor.embed(to_square(frame, side), image_size=size)

    def track(self, embedding: Embedding, memories: Memories) -> Tracked:
        """Follow one object to a frame, see :meth:`.Tracker.track`.

        The embedding may be the image predictor's as well.
        """
        with self._computing():
            return self._tracker.track(embedding, [memories])[0]

    def remember(self, embedding: Embedding, mask: ArrayLike | Tracked) -> Memory:
        """Make a memory of an object on a frame.

        Parameters
        ----------
        embedding : Embedding
        mask : array-like of shape (H, W), or Tracked
            A mask that somebody gave or accepted, which is remembered as sure; or what
            :meth:`track` found.
        """
        with self._computing():
            if isinstance(mask, Tracked):
                return self._tracker.remember(embedding, [mask], hard=False)[0]
            given = mask_from_array(mask, embedding.image_size)
            taken = self._tracker.take_mask(embedding, given)
            return self._tracker.remember(embedding, [taken], hard=True)[0]

    # --- films ---

    def initstate(
        self,
        video_path: Any,
        offload_video_to_cpu: bool = False,
        offload_state_to_cpu: bool = False,
        async_loading_frames: bool = False,
    ) -> VideoState:
        """Open a film.

        Parameters
        ----------
        video_path : array-like, sequence of images, or path
            ``(T, H, W)`` or ``(T, H, W, 3)`` uint8, images of one size, or a folder of JPEG or PNG
            files, in the order of their numbers.
        offload_video_to_cpu, async_loading_frames : bool
            Accepted for scripts that give them.  Frames are read when they are needed, and never
            all at once.
        offload_state_to_cpu : bool
            Keep memories and logits in the computer's memory, not the GPU's.

        Raises
        ------
        ValueError
            If there are no frames, or they do not fit; the message says what to do.
        """
        frames = open_frames(video_path)
        storage = torch.device("cpu") if offload_state_to_cpu else self.device
        return VideoState(frames, self.image_predictor.key, storage)

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
        return self.addnewpointsorbox(
            inference_state,
            frame_idx,
            obj_id,
            points,
            labels,
            clear_old_points=clear_old_points,
            normalize_coords=normalize_coords,
        )

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
        with self._computing():
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
        with self._computing():
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
        if not state.objects:
            raise ValueError("There is nothing to follow: prompt an object on a frame first.")
        with self._computing():
            self._follower.remember_prompts(state)
        for number, item in state.objects.items():
            if not item.bank.conditioning:
                raise ValueError(
                    f"Object {number} has no prompts any more: prompt it on a frame, or remove it."
                )

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
        if max_frame_num_to_track is not None and max_frame_num_to_track < 0:
            raise ValueError(f"max_frame_num_to_track is {max_frame_num_to_track}, below 0.")
        order = order_of(start, state.num_frames, max_frame_num_to_track, reverse=reverse)
        return self._passed(state, order, reverse=reverse)

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
        return self._result(state, frame) if need_output else None

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
        return state.obj_ids, [(frame, self._result(state, frame)[2]) for frame in frames]

    def resetstate(self, inference_state: VideoState) -> None:
        """Forget all objects; the film stays open."""
        self._own(inference_state).objects.clear()

    def savestate(self, inference_state: VideoState, path: str | PathLike[str]) -> None:
        """Write prompts, answers and memories to a file; the film itself stays where it is.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        state = self._own(inference_state)
        with self._computing():
            self._follower.remember_prompts(state)
        write_state(state, Path(path).expanduser())

    def loadstate(
        self, path: str | PathLike[str], video_path: Any, offload_state_to_cpu: bool = False
    ) -> VideoState:
        """Open a film, and go on where :meth:`savestate` left off.

        Raises
        ------
        ValueError
            If the file is damaged, or of another film or model.
        FileNotFoundError
            If there is no such file.
        """
        state = self.initstate(video_path, offload_state_to_cpu=offload_state_to_cpu)
        read_state(state, Path(path).expanduser())
        return state

    # --- one step of it ---

    @contextmanager
    def _computing(self) -> Iterator[None]:
        with self.image_predictor.computing():
            yield

    def _own(self, state: VideoState) -> VideoState:
        if not isinstance(state, VideoState):
            raise TypeError("The first argument is what initstate returned.")
        if state.model != self.image_predictor.key:
            raise ValueError(
                f"This state belongs to {state.model}, and this predictor is "
                f"{self.image_predictor.key}: call initstate again."
            )
        return state

    def _new_object(self) -> TrackedObject:
        return TrackedObject(bank=MemoryBank(limit=self.max_cond_frames_in_attn))

    def _embedding(self, state: VideoState, frame: int) -> Embedding:
        """Return the embedding of a frame; those used last are kept."""
        embedding = state.embeddings.pop(frame, None)
        if embedding is None:
            while len(state.embeddings) >= EMBEDDINGS_KEPT:
                state.embeddings.popitem(last=False)
            embedding = self.embed(state.frames.read(frame))
        state.embeddings[frame] = embedding
        return embedding

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
        return self._result(state, frame)

    def _passed(self, state: VideoState, order: range, *, reverse: bool) -> Iterator[Result]:
        """Yield what is found on each frame of a pass."""
        steps = self._follower.go(state, order, reverse=reverse, both_ways=self.track_both_ways)
        while True:
            with self._computing():
                frame = next(steps, None)
            if frame is None:
                return
            yield self._result(state, frame)

    def _result(self, state: VideoState, frame: int) -> Result:
        return frame, state.obj_ids, self._output.logits(state, frame)
