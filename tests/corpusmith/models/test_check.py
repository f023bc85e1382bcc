"""The catalog against what is here, and against what a Hub says."""

from __future__ import annotations

import pytest

from corpusmith.models import check
from corpusmith.models.catalog import entry


def test_what_is_here_has_no_fault(unet_folder, entry_of):
    found = check.local([entry_of(unet_folder), entry("house/language"), entry("sdxl"), entry("glide-inpaint")])
    assert [one.faults for one in found] == [(), (), (), ()]
    assert "not supported" in found[-1].notes[0]


def test_a_house_model_that_does_not_ship_is_a_fault(entry_of):
    (found,) = check.local([entry_of("house/no-such")])
    assert "house/no-such is no house model" in found.faults[0]


def test_a_repository_that_is_as_the_catalog_says_has_no_fault_and_a_commit(model_hub, unet_folder, entry_of):
    model_hub.folders["org/tiny"] = unet_folder
    (found,) = check.online([entry_of("org/tiny"), entry_of(unet_folder), entry("house/language")])
    assert found.faults == ()
    assert found.commit == model_hub.commit
    assert found.gated is False


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"repository": "org/none"}, "neither a house model, a folder, nor a repository"),
        ({"revision": "v9"}, "no such revision"),
        ({"variant": "fp16"}, "no variant 'fp16'"),
        ({"gated": True}, "gated is True in the catalog, False on the Hub"),
        ({"licence": "mit"}, "licence is mit in the catalog, apache-2.0 on the Hub"),
    ],
)
def test_what_the_hub_says_otherwise_is_a_fault(model_hub, unet_folder, entry_of, fields, said):
    model_hub.folders["org/tiny"] = unet_folder
    (found,) = check.online([entry_of("org/tiny", **fields)])
    assert said in found.faults[0]


def test_a_licence_with_a_name_of_its_own_is_compared_by_it(model_hub, unet_folder, entry_of):
    model_hub.folders["org/tiny"] = unet_folder
    model_hub.cards["org/tiny"] = {"license": "other", "license_name": "sai-nc-community"}
    (found,) = check.online([entry_of("org/tiny", licence="sai-nc-community")])
    assert found.faults == ()


def test_a_gated_repository_is_seen_without_a_token(model_hub, unet_folder, entry_of):
    model_hub.folders["org/tiny"] = unet_folder
    model_hub.gated.add("org/tiny")
    (found,) = check.online([entry_of("org/tiny", gated=True)])
    assert found.faults == ()
    assert found.gated


def test_a_repository_of_which_the_hub_says_nothing_is_noted_and_the_others_are_compared(
    model_hub, unet_folder, entry_of, monkeypatch
):
    model_hub.folders |= {"org/tiny": unet_folder, "org/slow": unet_folder}
    answer = model_hub.answer
    monkeypatch.setattr(model_hub, "answer", lambda request: None if "org/slow" in request.path else answer(request))
    slow, tiny = check.online([entry_of("org/slow"), entry_of("org/tiny", licence="mit")])
    assert (slow.faults, slow.commit) == ((), None)
    assert slow.notes == ("the Hub did not answer, so it was not compared",)
    assert tiny.faults == ("licence is mit in the catalog, apache-2.0 on the Hub",)


def test_with_nothing_to_ask_nothing_is_found(entry_of, unet_folder):
    assert check.online([entry_of(unet_folder)]) == []


def test_offline_nothing_is_claimed(model_hub, entry_of, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert check.online([entry_of("org/tiny")]) is None
