"""Fitting the network that finds membranes: targets, resuming, and the file that comes of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tifffile import imwrite

from napari_samv2_prompts.propagation.borders import borders, layers_of
from training import fit_borders


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder with a block that is trained on and one that is validated on."""
    monkeypatch.setattr(fit_borders, "BATCH", 1)
    monkeypatch.setattr(fit_borders, "EVERY", 1)
    rng = np.random.default_rng(0)
    labels = np.kron(np.arange(1, 9).reshape(2, 2, 2), np.ones((32, 80, 80))).astype(np.uint16)
    folder = tmp_path / "volumes" / "fibsem"
    folder.mkdir(parents=True)
    for name in ("medulla2_z000", "medulla2_z187"):
        image = rng.integers(0, 256, labels.shape, np.uint8)
        imwrite(folder / f"{name}.tif", image)
        imwrite(folder / f"{name}.labels.tif", labels)
    return folder.parent


def trained(data, folder, steps):
    folder.mkdir(exist_ok=True)
    fit_borders.train(folder, data, steps, seed=3)
    return torch.load(folder / "state.pt", weights_only=True)["net"]


def test_borders_are_where_labels_change():
    labels = np.ones((3, 4, 6), np.int64)
    labels[:, :, 3:] = 2
    labels[2] = 3
    within, after, before, away = fit_borders.targets_of(labels)
    assert within[0].tolist() == [[0, 0, 1, 1, 0, 0]] * 4
    assert not within[2].any()
    assert after[:, 0, 0].tolist() == [0, 1, 0]
    assert before[:, 0, 0].tolist() == [0, 0, 1]
    assert away[0, 0, 2] == 0 < away[0, 0, 0] < 1


def test_what_is_validated_on_is_not_trained_on(data):
    assert len(fit_borders.read(data)) == 3  # one block along its three axes


def test_a_killed_run_goes_on_as_if_it_had_not_been(data, tmp_path, monkeypatch):
    whole = trained(data, tmp_path / "whole", 2)
    loss, calls = fit_borders._loss, []

    def killed(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return loss(*args)

    monkeypatch.setattr(fit_borders, "_loss", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(data, tmp_path / "parts", 2)
    parts = trained(data, tmp_path / "parts", 2)
    assert len(calls) == 3
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_what_is_exported_is_what_was_trained(data, tmp_path):
    state = trained(data, tmp_path / "run", 1)
    fit_borders.export(tmp_path / "run", tmp_path / "borders.npz")
    net = fit_borders.Borders()
    net.load_state_dict(state)
    planes = np.random.default_rng(1).normal(size=(5, 12, 16)).astype(np.float32)
    planes *= 40
    seen = torch.tensor((planes - planes.mean()) / (planes.std() + fit_borders.FLAT))
    with np.load(tmp_path / "borders.npz") as stored, torch.no_grad():
        found = np.concatenate(list(borders(planes, layers_of(stored))))
        expected = net.eval()(seen[None])[0, :3].mean(0).numpy()
    np.testing.assert_allclose(found, expected, atol=0.02)
