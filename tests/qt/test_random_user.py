"""Nothing that a user does, in whatever order the worker answers, breaks a promise."""

from __future__ import annotations

import os
import sys

import napari
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.qt.random_user import RandomUser

pytestmark = pytest.mark.usefixtures("qapp")

# The suite always tries the same users, so that it fails because of a change; the long run others.
UNHURRIED = {"deadline": None, "suppress_health_check": list(HealthCheck)}
STEPS = int(os.environ.get("RANDOM_USER_STEPS", "10_000"))


class UserOfAWindow(RandomUser):
    """The same in a window."""

    def new_viewer(self):
        return napari.Viewer(show=False)

    def open_in(self, viewer, widget) -> None:
        viewer.window.add_dock_widget(widget, name="SAMV2 Prompts")

    def throw_away(self, widget) -> None:
        self.viewer.window.remove_dock_widget(widget)

    def teardown(self) -> None:
        super().teardown()
        self.viewer.close()


def test_a_random_user() -> None:
    run_state_machine_as_test(
        RandomUser,
        settings=settings(max_examples=8, stateful_step_count=25, derandomize=True, **UNHURRIED),
    )


def test_a_random_user_of_a_window() -> None:
    once = settings(
        max_examples=2,
        stateful_step_count=12,
        derandomize=True,
        phases=(Phase.generate,),
        **UNHURRIED,
    )
    run_state_machine_as_test(UserOfAWindow, settings=once)


@pytest.mark.slow
@pytest.mark.parametrize(("user", "steps"), [(RandomUser, STEPS), (UserOfAWindow, STEPS // 10)])
def test_a_random_user_for_long(user, steps: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Others each time; what a failing one did is shown in few steps and tried first next time."""
    user.done.clear()
    fresh = settings(max_examples=20, stateful_step_count=50, derandomize=False, **UNHURRIED)
    while user.done["steps"] < steps:
        run_state_machine_as_test(user, settings=fresh)
    done = ", ".join(f"{count} {what}" for what, count in user.done.items())
    with capsys.disabled():
        sys.stdout.write(f"\n{user.__name__}: {done}\n")
