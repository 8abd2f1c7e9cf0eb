"""Dask's workers, for tests of a cluster."""

from __future__ import annotations

import dask
import pytest

from napari_samv2_prompts.units.cluster import cluster_client


@pytest.fixture(scope="module")
def client():
    """Two worker processes, as ``--workers 2`` starts them; dask gives up on a unit sooner."""
    import distributed  # noqa: F401 - else its configuration would go with ours

    fewer = dask.config.set({"distributed.scheduler.allowed-failures": 1})
    with fewer, cluster_client(workers=2) as client:
        yield client
