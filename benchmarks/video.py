"""``python -m benchmarks.video``: a tracked frame against the peer's, and peak memory of films.

A frame with one conditioning frame and six others behind it, as most frames of a film are: it is
embedded, the object followed to it, and what is found is remembered.
"""

from __future__ import annotations

import argparse

from tests.samv2.video.films import calm_network, moving_discs

from benchmarks.__main__ import table
from benchmarks.measure import Pair, in_new_process, machine, pairs, wait
from napari_samv2_prompts.samv2 import SAMV2VideoPredictor
from napari_samv2_prompts.samv2.modeling.config import Variant

PLACES = (0.3, 0.4), (0.7, 0.6), (0.5, 0.2), (0.2, 0.8)  # of the clicks, as shares of the side
FRAME = 7


def clicks(side: int, objects: int) -> dict[int, list[list[float]]]:
    """Return a click for each object, in pixels."""
    return {n: [[side * share for share in PLACES[n]]] for n in range(objects)}


def tracked(
    size: str | Variant, side: int, objects: int, repeat: int, dtype: str, device: str = "cpu"
) -> Pair:
    """Compare one tracked frame; the peer has float32."""
    # Here, since the peer's library is no part of what a film of ours takes in memory.
    from tests.samv2.video.video_twin import TwinFilm, build_video_twin

    network, film = calm_network(size, side), moving_discs(FRAME + 1, side)
    predictor = SAMV2VideoPredictor(network, device=device, dtype=dtype)
    state = predictor.initstate(film)
    peer = TwinFilm(build_video_twin(network, side), film, device)
    for number, place in clicks(side, objects).items():
        predictor.addnewpoints(state, 0, number, place, [1])
        peer.prompt(0, place, [1], number)
    for _ in predictor.propagateinvideo(state, max_frame_num_to_track=FRAME - 1):
        pass
    for _ in peer.follow(start_frame_idx=0, max_frame_num_to_track=FRAME - 1):
        pass

    def ours() -> None:
        state.embeddings.clear()
        list(predictor.propagateinvideo(state, FRAME, 0))
        wait(predictor.device)

    def theirs() -> None:
        peer.forget_embeddings()
        list(peer.follow(start_frame_idx=FRAME, max_frame_num_to_track=0))
        wait(predictor.device)

    size = size if isinstance(size, str) else size.size
    what = f"{size}: a tracked frame at {side}, objects: {objects}, {dtype}"
    return pairs(what, ours, theirs, repeat)


def film_of(size: str, side: int, objects: int, frames: int) -> None:
    """Follow objects through a film whose frames are made as they are read."""

    class Film:
        shape = (frames, side, side, 3)

        def __init__(self) -> None:
            self._some = moving_discs(10, side)

        def __len__(self) -> int:
            return frames

        def __getitem__(self, index: int) -> object:
            return self._some[index % 10]

    predictor = SAMV2VideoPredictor(calm_network(size, side), device="cpu")
    state = predictor.initstate(Film())
    for number, place in clicks(side, objects).items():
        predictor.addnewpoints(state, 0, number, place, [1])
    for _ in predictor.propagateinvideo(state):
        pass


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.video", description=__doc__)
    parser.add_argument("--size", default="tiny", help="a published size")
    parser.add_argument("--side", type=int, default=1024, help="of the input, in pixels")
    parser.add_argument("--objects", type=int, default=1, choices=range(1, len(PLACES) + 1))
    parser.add_argument("--repeat", type=int, default=3, help="pairs")
    parser.add_argument("--dtypes", nargs="*", default=["auto", "float32"], help="ours")
    parser.add_argument("--memory", nargs="*", type=int, default=[], help="films of so many frames")
    parser.add_argument("--busy", action="store_true", help="print times of the processor")
    parser.add_argument("--film", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    size, side, objects = arguments.size, arguments.side, arguments.objects
    if arguments.film:
        film_of(size, side, objects, arguments.film)
        return
    for key, value in machine("cpu", "auto").items():
        print(f"- {key}: {value}")
    rows = [tracked(size, side, objects, arguments.repeat, dtype) for dtype in arguments.dtypes]
    print(f"\n{table(rows, busy=arguments.busy)}\n")
    given = "--size", size, "--side", str(side), "--objects", str(objects), "--film"
    for frames in arguments.memory:
        peak = in_new_process("benchmarks.video", *given, str(frames))["peak_mb"]
        print(f"- {size} at {side}: {frames} frames: {peak:.0f} MB")


if __name__ == "__main__":
    main()
