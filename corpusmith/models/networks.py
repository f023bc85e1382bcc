"""The networks of the house emotion classifiers, and their files: config.json and fp16 model.safetensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor, nn
from torch.nn import functional

from corpusmith.emotions import EMOTIONS
from corpusmith.errors import ModelError
from corpusmith.models.text.hashing import Hashes, Ints, Words, buckets, pairs, words

GRAM_SALT: Final = np.uint64(0x5851F42D4C957F2D)  # keeps an n-gram apart from a word that is spelled the same


class EmotionNetwork(nn.Module):
    """Texts to logits of finer labels, which ``groups`` sums (as probabilities) into the seven emotions.

    labels: names of the finer labels.  groups: the index in EMOTIONS of each.  Calibration is one temperature (Guo et
    al. 2017, section 4.2) and a bias for each emotion: 1 and 0 until they are fitted. A network that ``knows`` some
    words is the less sure of a text the more of its words it does not know.
    """

    architecture: ClassVar[str]
    closed: Tensor
    bias: Tensor
    temperature: Tensor
    known: Tensor
    caution: Tensor
    sizes: dict[str, int]
    gram_sizes: ClassVar[tuple[int, ...]] = ()

    def __init__(self, labels: tuple[str, ...], groups: tuple[int, ...]) -> None:
        super().__init__()
        self.labels, self.groups = labels, groups
        members = functional.one_hot(torch.tensor(groups), len(EMOTIONS)).bool()
        self.register_buffer("closed", torch.zeros(members.shape).masked_fill(~members, -torch.inf), persistent=False)
        self.register_buffer("bias", torch.zeros(len(EMOTIONS)))
        self.register_buffer("temperature", torch.ones(1))

    def fine(self, batch: Any) -> Tensor:
        """Logits of the finer labels, (texts, labels)."""
        raise NotImplementedError

    def emotions(self, fine: Tensor) -> Tensor:
        """Logits of the seven emotions from those of the finer labels, (texts, 7), before calibration."""
        return torch.logsumexp(fine[:, :, None] + self.closed, dim=1)

    def knows(self, hashes: Hashes, caution: float) -> None:
        """Note the words that it knows, by their hashes; ``caution``: how far the temperature rises without any.

        A text's temperature is multiplied by 1 + caution * (share of its words that are not known).
        """
        self.sizes["known"] = len(hashes)
        self.register_buffer("known", torch.from_numpy(np.sort(hashes).view(np.int64)))
        self.register_buffer("caution", torch.tensor([caution]))

    def unknown(self, batch: Words) -> Tensor:
        """By how much each text's temperature is raised for words that it does not know, (texts, 1)."""
        if not self.sizes.get("known"):
            return torch.zeros(batch.texts, 1)
        known = self.known.numpy().view(np.uint64)
        at = np.minimum(np.searchsorted(known, batch.hashes), len(known) - 1)
        strange = (known[at] != batch.hashes)[batch.ids]
        count = np.bincount(batch.rows, minlength=batch.texts)
        share = np.bincount(batch.rows, strange, minlength=batch.texts) / np.maximum(count, 1)
        return self.caution * torch.from_numpy(share).float()[:, None]

    def calibrated(self, emotions: Tensor, unknown: Tensor | float = 0.0) -> Tensor:
        """Log-probabilities of the seven emotions, (texts, 7)."""
        return functional.log_softmax(emotions / (self.temperature * (1 + unknown)) + self.bias, dim=1)

    @torch.inference_mode()
    def predict(self, texts: pa.Array) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Calibrated probabilities in the order of EMOTIONS, (texts, 7) float32."""
        batch = words(texts, self.gram_sizes)
        return np.asarray(self.calibrated(self.emotions(self.fine(batch)), self.unknown(batch)).exp().numpy())


class WordCNN(EmotionNetwork):
    """A convolution over words, each the sum of its own vector and the mean of its hashed n-grams'.

    Sub-word vectors as in fastText (Bojanowski et al. 2017), convolution and pooling over time as in Kim (2014).
    word_buckets, gram_buckets: sizes of the hashed tables.  size: of a word's vector.  hidden: filters.  reach: words
    that they see before and after each.  known: how many words it is told that it knows.
    """

    architecture = "word-cnn"
    gram_sizes = (3, 4, 5)

    def __init__(
        self,
        labels: tuple[str, ...],
        groups: tuple[int, ...],
        word_buckets: int,
        gram_buckets: int,
        size: int,
        hidden: int,
        reach: int,
        known: int = 0,
    ) -> None:
        super().__init__(labels, groups)
        self.sizes = {
            "word_buckets": word_buckets,
            "gram_buckets": gram_buckets,
            "size": size,
            "hidden": hidden,
            "reach": reach,
        }
        if known:
            self.knows(np.zeros(known, dtype=np.uint64), 0.0)
        self.reach = reach
        self.words = nn.Embedding(word_buckets, size)
        self.grams = nn.EmbeddingBag(gram_buckets, size, mode="mean")
        self.shouted = nn.Embedding(2, size)
        self.filters = nn.Linear((2 * reach + 1) * size, hidden)
        self.output = nn.Linear(2 * hidden + size, len(labels))
        self.dropped_words, self.dropped = 0.0, 0.0

    def fine(self, batch: Words) -> Tensor:
        """Logits of the finer labels, (texts, labels)."""
        vectors = self._vectors(batch)
        seen = functional.relu(self.filters(self._neighbours(vectors, batch)))
        lengths = torch.from_numpy(np.bincount(batch.rows, minlength=batch.texts))
        scale = lengths.clamp(min=1)[:, None].rsqrt()
        pooled = [
            torch.segment_reduce(seen, "max", lengths=lengths, initial=0.0),
            torch.segment_reduce(seen, "sum", lengths=lengths, initial=0.0) * scale,
            torch.segment_reduce(vectors, "sum", lengths=lengths, initial=0.0) * scale,
        ]
        logits: Tensor = self.output(functional.dropout(torch.cat(pooled, dim=1), self.dropped, self.training))
        return logits

    def _vectors(self, batch: Words) -> Tensor:
        """A vector for each place, (words, size)."""
        own = self.words(torch.from_numpy(buckets(batch.hashes, self.words.num_embeddings)))
        grams = torch.from_numpy(buckets(batch.grams ^ GRAM_SALT, self.grams.num_embeddings))
        distinct = own + self.grams(grams, torch.from_numpy(batch.gram_starts))
        vectors: Tensor = functional.embedding(torch.from_numpy(batch.ids), distinct)
        vectors = vectors + self.shouted(torch.from_numpy(batch.shouted.astype(np.int64)))
        if self.training:
            vectors = vectors * (torch.rand(len(vectors), 1) > self.dropped_words)
            vectors = functional.dropout(vectors, self.dropped / 2)
        return vectors

    def _neighbours(self, vectors: Tensor, batch: Words) -> Tensor:
        """Each place's vector among its neighbours' in the text, zeros beyond it: (words, (2 * reach + 1) * size)."""
        spaced = torch.from_numpy(np.arange(len(batch.rows)) + (batch.rows + 1) * self.reach)
        padded = vectors.new_zeros(len(vectors) + (batch.texts + 1) * self.reach, vectors.shape[1])
        padded = padded.index_copy(0, spaced, vectors)
        return torch.cat([padded[spaced + step] for step in range(-self.reach, self.reach + 1)], dim=1)


class WordPairs(EmotionNetwork):
    """Logistic regression on the TF-IDF of a text's words and pairs of words: which there are, not where.

    Each is counted once a text, weighed by ``rarity`` (inverse document frequency), and the text scaled to length one.
    buckets: size of the hashed table.
    """

    architecture = "word-pairs"

    rarity: Tensor

    def __init__(self, labels: tuple[str, ...], groups: tuple[int, ...], buckets: int) -> None:
        super().__init__(labels, groups)
        self.sizes = {"buckets": buckets}
        self.register_buffer("rarity", torch.ones(buckets))
        self.weights = nn.EmbeddingBag(buckets, len(labels), mode="sum")
        self.constant = nn.Parameter(torch.zeros(len(labels)))

    def fine(self, batch: Words) -> Tensor:
        """Logits of the finer labels, (texts, labels)."""
        rows, ids = self.present(batch)
        weights = self.rarity[torch.from_numpy(ids)]
        lengths = torch.zeros(batch.texts).index_add(0, torch.from_numpy(rows), weights**2).sqrt()
        starts = torch.from_numpy(np.searchsorted(rows, np.arange(batch.texts)))
        scaled = weights / lengths.clamp(min=1)[torch.from_numpy(rows)]  # a known word weighs 1 at least
        summed: Tensor = self.weights(torch.from_numpy(ids), starts, per_sample_weights=scaled)
        return summed + self.constant

    def present(self, batch: Words) -> tuple[Ints, Ints]:
        """The buckets of each text's words and pairs, each once: text and bucket of each, ascending."""
        count = len(self.rarity)
        pair_hashes, pair_rows = pairs(batch)
        own = batch.rows * count + buckets(batch.hashes, count)[batch.ids]
        both = np.unique(np.concatenate([own, pair_rows * count + buckets(pair_hashes, count)]))
        return both // count, both % count


ARCHITECTURES: Final[dict[str, type[WordCNN] | type[WordPairs]]] = {
    kind.architecture: kind for kind in (WordCNN, WordPairs)
}


def save(network: WordCNN | WordPairs, folder: Path) -> None:
    """Write config.json and model.safetensors (fp16) into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architecture": network.architecture,
        "labels": network.labels,
        "groups": [EMOTIONS[group] for group in network.groups],
        "sizes": network.sizes,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    state = network.state_dict().items()
    weights = {name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous() for name, tensor in state}
    (folder / "model.safetensors").write_bytes(serialize(weights))


def load(folder: Path) -> WordCNN | WordPairs:
    """The network that a folder holds, in float32, in evaluation mode. Raises ModelError: no files of such a one."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = ARCHITECTURES[config["architecture"]]
        groups = tuple(EMOTIONS.index(group) for group in config["groups"])
        network = kind(tuple(config["labels"]), groups, **config["sizes"])
        weights = load_file(folder / "model.safetensors")
        network.load_state_dict(
            {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        expected = f"config.json (architecture one of {sorted(ARCHITECTURES)}) and its model.safetensors"
        raise ModelError(f"{folder} is no house emotion classifier, expected {expected}: {error}") from error
    return network.eval()
