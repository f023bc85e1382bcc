"""The recipes of the image generators: what they learn from, how they go on, and what they leave on disk."""

import dagster as dg
import numpy as np
import polars as pl
import pytest
import torch
from diffusers import AutoPipelineForImage2Image, AutoPipelineForInpainting, AutoPipelineForText2Image

from corpusmith.assets.house import autoencoder, diffusion, generator_card, graph
from corpusmith.assets.house.drawings import drawings, kept
from corpusmith.assets.house.generators import GENERATORS, LONGEST, tokenizer
from corpusmith.assets.house.training import train
from corpusmith.assets.portraits.prompts import prompts
from corpusmith.errors import ModelError
from corpusmith.models.catalog import entry
from corpusmith.models.generator import Generator

ROWS, STEPS = 40, 4


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with both autoencoders, untrained: what they keep does not matter here."""
    folder = tmp_path_factory.mktemp("images")
    for name, shape in autoencoder.SHAPES.items():
        autoencoder.untrained(shape).save_pretrained(folder / f"vae-{name}")
    return folder


@pytest.fixture(scope="module", params=["velocity", "flow"])
def shipped(request, work):
    """A generator that learned for a moment, as it is shipped."""
    (network, final, early), words, vae = diffusion.trained(request.param, work, STEPS, ROWS, early=2)
    diffusion.ship(request.param, network, final, early, words, vae, work / "shipped" / request.param)
    return work / "shipped" / request.param


def opened(auto, folder, variant=None):
    pipeline = auto.from_pretrained(folder, variant=variant, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def asked(folder, **more):
    longest = {"max_sequence_length": LONGEST} if folder.name == "flow" else {}
    seed = torch.Generator().manual_seed(0)
    return {
        "prompt": "A happy boy",
        "num_inference_steps": 2,
        "generator": seed,
        "output_type": "np",
        **longest,
        **more,
    }


def test_drawings_are_the_same_when_drawn_again_and_when_kept(tmp_path):
    drawn, stored = drawings(ROWS, 1), kept(ROWS, 1, tmp_path)
    assert np.array_equal(drawn.pixels, stored.pixels)
    assert drawn.prompts == stored.prompts


def test_every_kind_is_drawn_in_its_share():
    kinds, counts = np.unique(drawings(100, 1).kind, return_counts=True)
    assert dict(zip(kinds, counts, strict=True)) == {"portraits": 60, "objects": 25, "scenes": 15}


@pytest.mark.parametrize("vocabulary", ["memo", "ekman"])
def test_the_words_of_every_prompt_of_the_corpus_are_known_and_none_is_cut(vocabulary):
    learned = [caption for captions in drawings(2000, 3).prompts for caption in captions]
    words = tokenizer(learned)
    ids = words(prompts(vocabulary, 20, 0)["prompt"].to_list()).input_ids
    assert max(map(len, ids)) <= LONGEST
    assert not any(words.unk_token_id in row for row in ids)


def test_a_training_that_was_stopped_ends_where_an_unbroken_one_does(tmp_path):
    def trained(checkpoint, *stops):
        torch.manual_seed(0)
        network = torch.nn.Linear(3, 1)

        def loss(step):
            draws = torch.from_numpy(np.random.default_rng(step).normal(size=(8, 3)).astype(np.float32))
            if step in stops and not (tmp_path / f"{step}").exists():
                (tmp_path / f"{step}").touch()
                raise KeyboardInterrupt
            return (network(draws) - draws.sum(1, keepdim=True)).square().mean()

        return train(network, loss, steps=520, rate=1e-2, checkpoint=checkpoint, average=0.9, early=100)

    whole = trained(tmp_path / "whole.pt")
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "parts.pt", 300)
    parts = trained(tmp_path / "parts.pt", 300)
    for one, other in zip(whole, parts, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", GENERATORS)
def test_noise_and_answer_give_back_the_drawing(name):
    scheduler = GENERATORS[name].scheduler()
    clean, noise = torch.randn(2, 6, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    mixed, times, wanted, weight = diffusion.noised(GENERATORS[name], scheduler, clean, noise, np.random.default_rng(1))
    if name == "flow":
        back = mixed - (times / 1000).view(-1, 1, 1, 1) * wanted
    else:
        share = scheduler.alphas_cumprod[times].view(-1, 1, 1, 1)
        left = mixed - (1 - share).sqrt() * wanted
        back = left / share.sqrt() if name == "epsilon" else share.sqrt() * mixed - (1 - share).sqrt() * wanted
    assert torch.allclose(back, clean, atol=2e-2)
    assert (weight > 0).all()


def test_all_three_pipelines_open_what_was_shipped(shipped):
    image = np.zeros((1, 64, 64, 3), np.float32)
    mask = np.ones((1, 64, 64, 1), np.float32)
    size = {"height": 64, "width": 64}
    for auto, more in (
        (AutoPipelineForText2Image, size),
        (AutoPipelineForImage2Image, {"image": image, "strength": 1.0, **(size if shipped.name == "flow" else {})}),
        (AutoPipelineForInpainting, {"image": image, "mask_image": mask, "strength": 1.0, **size}),
    ):
        assert opened(auto, shipped)(**asked(shipped, **more)).images.shape == (1, 64, 64, 3)


def test_the_early_checkpoint_draws_something_else(shipped):
    final, early = (
        opened(AutoPipelineForText2Image, shipped, variant)(**asked(shipped, height=64, width=64)).images
        for variant in (None, "early")
    )
    assert np.isfinite(early).all()
    assert not np.array_equal(final, early)


def test_the_recipe_runs_as_assets_and_no_generator_learns_in_latents_that_lose_emotions(tmp_path):
    recipe = [graph.drawings, graph.image_autoencoder, graph.image_generator, graph.image_generator_card]
    small = {"models": str(tmp_path / "models"), "work": str(tmp_path / "work"), "share": 0.001}

    def materialized(*chosen, partition=None, **more):
        config = {"ops": {asset.op.name: {"config": small | more} for asset in chosen}}
        return dg.materialize(
            recipe, run_config=config, selection=chosen, partition_key=partition, raise_on_error=False
        )

    learnt = (graph.image_generator, graph.image_generator_card)
    assert materialized(graph.drawings).success
    coded = materialized(graph.image_autoencoder, partition="narrow")
    assert [found.passed for found in coded.get_asset_check_evaluations()] == [False]
    assert not materialized(*learnt, partition="velocity").success
    assert materialized(*learnt, partition="velocity", survive=0.0).success
    assert (tmp_path / "models/velocity/unet/diffusion_pytorch_model.early.safetensors").exists()
    assert "house/velocity-early" in (tmp_path / "models/velocity/README.md").read_text()


def test_a_generator_without_its_autoencoder_says_what_makes_it(tmp_path):
    with pytest.raises(ModelError, match=r"python -m corpusmith.assets\.house\.autoencoder narrow"):
        diffusion.make("epsilon", tmp_path, tmp_path)


def test_a_card_draws_a_prompt_that_stands_twice_twice(shipped):
    settings = {"repository": str(shipped), "steps": 2}
    generator = Generator(entry(f"house/{shipped.name}").model_copy(update=settings))
    one, other, again = generator_card.drawn(
        generator, pl.Series("prompt", ["A teapot", "A boy", "A teapot"])
    ).to_pylist()
    assert len({one["bytes"], other["bytes"], again["bytes"]}) == 3
