"""A network with a memory: an object on frames as values, and the films that are opened with it.

Not here: prompts and passes (``video_predictor.py``), and what a pass does on each frame
(``video/passes.py``).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from numpy.typing import ArrayLike

from .image_predictor import SAMV2ImagePredictor
from .inference.embedding import Embedding
from .inference.preprocess import check_image
from .modeling.config import Variant
from .modeling.network import SAMV2Network
from .video.frames import open_frames, to_square
from .video.memory import Memories, Memory
from .video.passes import Follower
from .video.prompts import mask_from_array
from .video.state import EMBEDDINGS_KEPT, VideoState
from .video.state_file import read_state, write_state
from .video.tracked import Tracked

DEFAULT_VIDEO_MODEL = "tiny"
"""The smallest model that has a memory."""


class VideoModel:
    """Follow objects as values, and open films; see :class:`.SAMV2VideoPredictor`.

    Parameters
    ----------
    model, **options
        As of :class:`.SAMV2ImagePredictor`; ``tiny`` if none is named.

    Attributes
    ----------
    image_predictor : SAMV2ImagePredictor
        The same network for single images.
    """

    def __init__(self, model: str | SAMV2Network | None, **options: Any) -> None:
        named = ("checkpoint", *(name for name in options if name.startswith("use_default_")))
        if model is None and not any(options.get(name) for name in named):
            model = DEFAULT_VIDEO_MODEL
        self.image_predictor = SAMV2ImagePredictor(model, **options)
        self._tracker = self.image_predictor.tracker()
        self._follower = Follower(self._tracker, self._embedding)

    @property
    def device(self) -> torch.device:
        """The device that computes."""
        return self.image_predictor.device

    @property
    def variant(self) -> Variant:
        """The shape of the network."""
        return self.image_predictor.variant

    def computing(self) -> AbstractContextManager[None]:
        """Return the context in which the network computes."""
        return self.image_predictor.computing()

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
        with self.computing():
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
        with self.computing():
            if isinstance(mask, Tracked):
                return self._tracker.remember(embedding, [mask], hard=False)[0]
            given = mask_from_array(mask, embedding.image_size)
            taken = self._tracker.take_mask(embedding, given)
            return self._tracker.remember(embedding, [taken], hard=True)[0]

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
        with self.computing():
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

    def _own(self, state: VideoState) -> VideoState:
        if not isinstance(state, VideoState):
            raise TypeError("The first argument is what initstate returned.")
        if state.model != self.image_predictor.key:
            raise ValueError(
                f"This state belongs to {state.model}, and this predictor is "
                f"{self.image_predictor.key}: call initstate again."
            )
        return state

    def _embedding(self, state: VideoState, frame: int) -> Embedding:
        """Return the embedding of a frame; those used last are kept."""
        embedding = state.embeddings.pop(frame, None)
        if embedding is None:
            while len(state.embeddings) >= EMBEDDINGS_KEPT:
                state.embeddings.popitem(last=False)
            embedding = self.embed(state.frames.read(frame))
        state.embeddings[frame] = embedding
        return embedding
