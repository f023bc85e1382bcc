"""New and changed partitions are made and the corpus refreshed; what cannot be read stands in nobody's way."""

import json
import os
from pathlib import Path

import dagster as dg
import pytest

from corpusmith.assets.reddit.graph import dumps
from corpusmith.assets.reddit.sources import in_inbox
from corpusmith.assets.registry import corpus_of, load
from corpusmith.assets.resources import Workshop
from corpusmith.assets.status import status
from corpusmith.dagster_project import automation
from corpusmith.dagster_project.jobs import partitions_of


class Watched:
    """A sensor of a corpus over an instance, ticked by hand; what it asks for is done when the test says so."""

    def __init__(self, corpus: str, workshop: Workshop):
        self.corpus, self.workshop = corpus_of(corpus), workshop
        self.instance, self.cursor = dg.DagsterInstance.ephemeral(), None
        self.keys: list[str] = []

    def tick(self) -> dg.SensorResult:
        sensor = automation.partitions_sensor(self.corpus)
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"workshop": self.workshop}
        )
        found = sensor(context)
        self.cursor = found.cursor or self.cursor
        self.keys += [run.run_key for run in found.run_requests or []]
        return found

    def asked(self) -> list[tuple[str, str | None]]:
        """What two ticks ask for, after the first of which what is there has settled: job and partition."""
        found = [run for _ in range(2) for run in self.tick().run_requests or []]
        return [(run.job_name, run.partition_key) for run in found]

    def waits(self) -> str:
        return self.tick().skip_reason.skip_message

    def make(self, asset: str, *partitions: str) -> None:
        self.instance.add_dynamic_partitions(partitions_of(self.corpus).name, list(partitions))
        for name in partitions:
            self.instance.report_runless_asset_event(dg.AssetMaterialization([self.corpus.name, asset], partition=name))


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    (tmp_path / "inbox").mkdir()
    return Workshop(tmp_path, load(profile="smoke"), profile="smoke")


@pytest.fixture
def inbox(workshop: Workshop) -> Watched:
    return Watched("reddit", workshop)


def drop(workshop: Workshop, name: str, text: str = "{}\n") -> str:
    """Put a dump into the inbox; the name of its partition."""
    (workshop.inbox / name).write_text(text)
    return next(partition for partition, source in in_inbox(workshop).items() if source.endswith(name))


def test_a_new_dump_is_read_and_then_the_corpus_refreshed(inbox: Watched, workshop: Workshop) -> None:
    assert "nothing new" in inbox.waits()
    dump = drop(workshop, "RC_2020-01.ndjson")
    assert "may still be written" in inbox.waits()
    assert inbox.asked() == [("reddit_dumps", dump)]
    assert f"not made: {dump}" in inbox.waits()
    refreshed(inbox, "dumps", [dump])


def test_a_dump_that_grows_is_not_read_before_it_has_settled(inbox: Watched, workshop: Workshop) -> None:
    for lines in range(1, 4):
        drop(workshop, "RC_2020-01.ndjson", "{}\n" * lines)
        assert "may still be written" in inbox.waits()


def refreshed(watched: Watched, asset: str, partitions: list[str]) -> None:
    """Everything that is asked for is made, up to the refresh."""
    watched.make(asset, *partitions)
    assert watched.asked() == [(watched.corpus.name, None)]
    assert "nothing new" in watched.waits()


def test_a_dump_that_is_taken_out_and_brought_back_starts_refreshes(inbox: Watched, workshop: Workshop) -> None:
    one, two = drop(workshop, "RC_1.ndjson"), drop(workshop, "RC_2.ndjson")
    assert inbox.asked() == [("reddit_dumps", one), ("reddit_dumps", two)]
    refreshed(inbox, "dumps", [one, two])
    text = (workshop.inbox / "RC_2.ndjson").read_text()
    (workshop.inbox / "RC_2.ndjson").unlink()
    assert inbox.tick().run_requests[0].job_name == "reddit"
    drop(workshop, "RC_2.ndjson", text)
    assert inbox.asked() == [("reddit_dumps", two)]
    refreshed(inbox, "dumps", [two])
    assert len(set(inbox.keys)) == len(inbox.keys), "Dagster starts no run of a key that it has seen"


def test_a_dump_that_changed_is_read_again(inbox: Watched, workshop: Workshop) -> None:
    dump = drop(workshop, "RC_1.ndjson")
    assert inbox.asked() == [("reddit_dumps", dump)]
    refreshed(inbox, "dumps", [dump])
    drop(workshop, "RC_1.ndjson", "{}\n" * 2)
    assert inbox.asked() == [("reddit_dumps", dump)]


def test_a_dump_that_cannot_be_read_is_named_and_the_others_go_on(inbox: Watched, workshop: Workshop) -> None:
    good, bad = drop(workshop, "RC_good.ndjson"), drop(workshop, "RC_bad.zst", "this is no Zstandard frame")
    assert set(inbox.asked()) == {("reddit_dumps", good), ("reddit_dumps", bad)}
    inbox.instance.add_dynamic_partitions(partitions_of(inbox.corpus).name, [bad])
    ran = dg.materialize(
        [dumps],
        partition_key=bad,
        instance=inbox.instance,
        resources={"workshop": workshop, "tables": dg.mem_io_manager},
        raise_on_error=False,
    )
    assert not ran.success
    refreshed(inbox, "dumps", [good])
    assert f"{bad} is left out" in inbox.waits()
    assert "RC_bad.zst" in inbox.waits()

    assert [note["partition"] for note in status(workshop.home)["refused"]] == [bad]
    os.utime(workshop.inbox / "RC_bad.zst", (1, 1))
    assert inbox.asked() == [("reddit_dumps", bad)], "it changed, so it is tried again"


def test_a_generator_that_is_new_in_the_settings_is_asked_once_prompts_are_there(workshop: Workshop) -> None:
    watched = Watched("portraits", workshop)
    wanted = list(workshop.settings.portraits.generators)
    assert watched.asked() == [("portraits_plan", None)]
    watched.instance.report_runless_asset_event(dg.AssetMaterialization(["portraits", "prompts"]))
    assert watched.asked() == [("portraits_images", name) for name in wanted]
    refreshed(watched, "images", wanted)
    assert json.loads(watched.cursor)["refreshed"].keys() == set(wanted)
