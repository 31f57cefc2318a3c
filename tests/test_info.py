"""model_info against values computed by hand."""

from __future__ import annotations

import pytest
import torch

import fer_zoo
from fer_zoo.compose import model_spec
from fer_zoo.errors import OptionError


def test_the_papers_network() -> None:
    info = fer_zoo.model_info("incres3d_lstm_lm")
    lstm = 4 * 200 * (1072 * 8 * 8 + 200 + 2)
    assert info.features == (1072, 6, 8, 8)
    assert info.parameters_of["temporal"] == lstm
    assert info.parameters_of["classifier"] == 200 * 7 + 7
    # paper.md, section 2: 88.06 GMAC of convolutions; then six steps of the LSTM, and the classifier.
    assert info.gmac == pytest.approx(88.06 + (6 * 4 * 200 * (1072 * 64 + 200) + 200 * 7) / 1e9, abs=0.01)
    assert info.needs_landmarks
    assert info.cards == {}


def test_counts_match_the_built_network() -> None:
    model = fer_zoo.create_model("incres3d_tiny_mean", labels=["a", "b"], pool="mean")
    info = fer_zoo.model_info(model)
    assert info == fer_zoo.model_info(model.spec)
    assert info == fer_zoo.model_info("incres3d_tiny_mean", labels=["a", "b"], pool="mean")
    assert info.parameters == sum(p.numel() for p in model.parameters()) == sum(info.parameters_of.values())
    features = model.forward_features(torch.zeros(1, 3, 10, 80, 80))
    assert info.features == tuple(features.shape[1:])


def test_weights_and_the_printed_form() -> None:
    info = fer_zoo.model_info("incres3d_tiny_lstm_lm")
    assert list(info.cards) == fer_zoo.list_weights("incres3d_tiny_lstm_lm")
    text = str(info)
    for part in ("parameters  1.41 M", "10 x 80 x 80 at 25 frames/s", "landmarks   needed", "synth7", "neutral, anger"):
        assert part in text


def test_nothing_large_is_allocated() -> None:
    """On the meta device the 69 M parameters of the paper's network need no memory."""
    import time

    fer_zoo.model_info("incres3d_tiny_mean")  # imports what counts operations
    began = time.process_time()
    fer_zoo.model_info(model_spec("incres3d_lstm_lm"))
    assert time.process_time() - began < 2


def test_info_by_tag_is_that_of_the_weights() -> None:
    assert fer_zoo.model_info("incres3d_tiny_lstm_lm.synth7") == fer_zoo.model_info("incres3d_tiny_lstm_lm")


def test_weights_of_a_network_with_another_landmarker_are_listed() -> None:
    other = fer_zoo.model_info("incres3d_tiny_lstm_lm", landmarks={"detector": "dlib"})
    assert other.cards == fer_zoo.model_info("incres3d_tiny_lstm_lm").cards != {}


def test_weights_of_a_network_with_other_options_are_not_listed() -> None:
    assert fer_zoo.model_info("incres3d_tiny_lstm_lm", hidden=64).cards == {}


def test_options_with_an_existing_model_are_an_error() -> None:
    for finished in (fer_zoo.create_model("incres3d_tiny_mean"), "incres3d_tiny_lstm_lm.synth7"):
        with pytest.raises(OptionError, match=r"The options \['size'\] cannot be applied to an existing model"):
            fer_zoo.model_info(finished, size=64)


def test_weights_of_a_name_with_other_options_are_named() -> None:
    info = fer_zoo.model_info("incres2d_tiny_mean_lm_in")
    assert (dict(info.cards), info.other_weights) == ({}, ("incres2d_tiny_mean_lm_in.synth10",))
    assert "(with other options: see `fer-zoo info incres2d_tiny_mean_lm_in.synth10`)" in str(info)
    assert fer_zoo.model_info("incres2d_tiny_mean_lm_in.synth10").other_weights == ()
