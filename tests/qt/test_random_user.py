"""Nothing that a user does, in whatever order the worker answers, breaks a promise."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.qt.random_user import RandomUser

pytestmark = pytest.mark.usefixtures("qapp")

UNHURRIED = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def test_a_random_user() -> None:
    run_state_machine_as_test(
        RandomUser, settings=settings(max_examples=8, stateful_step_count=25, **UNHURRIED)
    )


@pytest.mark.slow
def test_a_random_user_for_ten_thousand_steps() -> None:
    run_state_machine_as_test(
        RandomUser, settings=settings(max_examples=200, stateful_step_count=50, **UNHURRIED)
    )
