"""The Reddit corpus, from dump files to scores: the recipe, top to bottom. Checks and release follow from it."""

import dagster as dg
import polars as pl

from corpusmith.assets import refused
from corpusmith.assets.asset import corpus_asset
from corpusmith.assets.pictures import class_balance, confusion_matrix, persistence_curve, probe_curve
from corpusmith.assets.reddit import balanced as balancing
from corpusmith.assets.reddit import comments as cleaning
from corpusmith.assets.reddit import labelled as labelling
from corpusmith.assets.reddit import makers, opinions, replies, scores
from corpusmith.assets.reddit import rewritten as rewriting
from corpusmith.assets.reddit import synthesized as synthesis
from corpusmith.assets.reddit.sources import sources, token
from corpusmith.assets.resources import Workshop
from corpusmith.errors import SourceError

DUMPS = dg.DynamicPartitionsDefinition(name="reddit_dumps")


@corpus_asset(group="reddit", kinds={"polars"}, partitions_def=DUMPS)
def dumps(context: dg.AssetExecutionContext, workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """Every line of one source: normalised, scrubbed of personal data, and kept or rejected with its reasons."""
    source = sources(workshop)[context.partition_key]
    with refused.unless_read(workshop.home, "reddit", context.partition_key, token(source)):
        cleaned = cleaning.ingest(source, workshop)
    context.add_output_metadata({"read as": "; ".join(cleaning.read_as(source, workshop))})
    return cleaned


@corpus_asset(group="reddit", kinds={"polars"})
def comments(dumps: dict[str, pl.LazyFrame], workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """The lines of all sources, in which whatever repeats an earlier one, or nearly does, is rejected."""
    unread = [name for name in sources(workshop) if dumps.get(name) is None]
    if unread:
        raise SourceError(f"not read yet: {', '.join(unread)}; materialize these partitions of reddit/dumps first")
    every = pl.concat([dumps[name] for name in sources(workshop)])
    return cleaning.deduplicate(every, workshop.settings.reddit.comments.jaccard)


@corpus_asset(group="reddit", kinds={"polars", "pytorch"}, pictures=[class_balance])
def labelled(comments: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """Each fit comment with the probability of each of the seven emotions, and what a second judge sees in some."""
    settings = workshop.settings.reddit
    judge, second = makers.judge(settings.models), makers.second_judge(settings.models)
    found = labelling.label(comments, judge, workshop.make, settings.labelled.min_confidence)
    return opinions.of_natural(found, second, workshop.make, settings)


@corpus_asset(group="reddit", kinds={"polars", "pytorch"})
def rewritten(labelled: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """Neutral comments put into the emotions that are short, their facts kept, and judged again."""
    settings = workshop.settings.reddit
    writer, judge = makers.rewriter(settings.models), makers.judge(settings.models)
    second = makers.second_judge(settings.models)
    return rewriting.rewrite(labelled, writer, judge, workshop.make, settings, second)


@corpus_asset(group="reddit", kinds={"polars", "pytorch"})
def synthesized(labelled: pl.LazyFrame, rewritten: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """New comments for the emotions that are still short; what repeats or remembers another's text is rejected."""
    settings = workshop.settings.reddit
    writer, judge = makers.generator(settings.models), makers.judge(settings.models)
    second = makers.second_judge(settings.models)
    return synthesis.synthesize(labelled, rewritten, writer, judge, workshop.make, settings, second)


@corpus_asset(group="reddit", kinds={"polars"}, pictures=[class_balance])
def balanced(
    labelled: pl.LazyFrame,
    rewritten: pl.LazyFrame,
    synthesized: pl.LazyFrame,
    workshop: dg.ResourceParam[Workshop],
) -> pl.LazyFrame:
    """The same number of rows for each emotion, natural before rewritten before synthetic, in leak-free splits."""
    return balancing.balance(labelled, rewritten, synthesized, workshop.settings.reddit.balanced)


@corpus_asset(group="reddit", kinds={"polars"})
def agreement(
    labelled: pl.LazyFrame,
    rewritten: pl.LazyFrame,
    synthesized: pl.LazyFrame,
    workshop: dg.ResourceParam[Workshop],
) -> pl.LazyFrame:
    """How far two judges agree beyond chance on the rows that both read; without a second one, nothing."""
    return scores.agreement([labelled, rewritten, synthesized], workshop.make, workshop.settings.reddit)


@corpus_asset(group="reddit", kinds={"scikitlearn"})
def naturalness(balanced: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """How far written rows can be told from people's of the same emotion, and how much they repeat."""
    return scores.naturalness(balanced, workshop.make, workshop.settings.reddit.scores)


@corpus_asset(group="reddit", kinds={"pytorch"}, pictures=[probe_curve])
def probes(balanced: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """How well each layer of a frozen language model tells the emotions apart, beside simple baselines."""
    return scores.probes(balanced, workshop.make, workshop.settings.reddit)


@corpus_asset(group="reddit", kinds={"pytorch"}, pictures=[confusion_matrix])
def zero_shot(balanced: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """How often a language model that is simply asked names the emotion, and how often its answer can be read."""
    return scores.zero_shot(balanced, workshop.make, workshop.settings.reddit)


@corpus_asset(group="reddit", kinds={"pytorch"}, pictures=[confusion_matrix])
def steering(balanced: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """How often a language model's reply shows the emotion of the comment, under three system prompts."""
    return replies.steering(balanced, workshop.make, workshop.settings.reddit)


@corpus_asset(group="reddit", kinds={"pytorch"}, pictures=[persistence_curve])
def persistence(balanced: pl.LazyFrame, probes: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """How well the states of a language model's reply still tell the emotion of the comment, token after token."""
    return replies.persistence(balanced, probes, workshop.make, workshop.settings.reddit)
