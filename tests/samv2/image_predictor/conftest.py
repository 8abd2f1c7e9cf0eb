"""A predictor of each kind of network, and one that has seen a picture."""

from __future__ import annotations

import pytest
from tests.samv2.image_predictor.predictors import made, make_image
from tests.samv2.small_networks import DRAWN, MINI

from napari_samv2_prompts.samv2 import SAMV2ImagePredictor


@pytest.fixture(params=[MINI, DRAWN], ids=["published kind", "drawn prompts"])
def predictor(request: pytest.FixtureRequest) -> SAMV2ImagePredictor:
    """One for all tests, which has forgotten what was before."""
    predictor = made(request.param)
    predictor.resetpredictor()
    return predictor


@pytest.fixture
def ready(predictor: SAMV2ImagePredictor) -> SAMV2ImagePredictor:
    predictor.setimage(make_image())
    return predictor
