"""Nothing that a user does, in whatever order the worker answers, breaks a promise."""

from __future__ import annotations

import sys

import napari
import pytest
from hypothesis import Phase
from tests.qt.random_user import RandomUser
from tests.qt.tried_widget import STEPS, try_users

pytestmark = pytest.mark.usefixtures("qapp")

# The suite always tries the same users, so that it fails because of a change; the long run others.


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
    try_users(RandomUser, 8, 25, derandomize=True)


def test_a_random_user_of_a_window() -> None:
    try_users(UserOfAWindow, 2, 12, derandomize=True, phases=(Phase.generate,))


@pytest.mark.slow
@pytest.mark.parametrize(("user", "steps"), [(RandomUser, STEPS), (UserOfAWindow, STEPS // 10)])
def test_a_random_user_for_long(user, steps: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Others each time; what a failing one did is shown in few steps and tried first next time."""
    user.done.clear()
    while user.done["steps"] < steps:
        try_users(user, 20, 50, derandomize=False)
    done = ", ".join(f"{count} {what}" for what, count in user.done.items())
    with capsys.disabled():
        sys.stdout.write(f"\n{user.__name__}: {done}\n")
