"""A release that somebody else made, or damaged, is named for what it is, and takes nothing with it."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from corpora import reddit

import corpusmith
from corpusmith.errors import ReleaseError, UserError
from corpusmith.release import manifest, parquet
from corpusmith.release.diff import diff
from corpusmith.release.publish.pull import pull
from corpusmith.release.publish.put import publish
from corpusmith.release.verify import check_files
from corpusmith.release.write import write_release
from corpusmith.validation import validate_release
from corpusmith.validation.reddit import SUITE


@pytest.fixture
def copy(release_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(release_dir, tmp_path / "rel [v1]"))


def said_of(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", "1.0.0\n../../x"),
        ("version", "١.٠.٠"),
        ("corpus", "../../pwn"),
        ("content", "x"),
        ("counts", {"rows": "many"}),
        ("counts", {"rows": True}),
        ("files", {"data/x.parquet": []}),
        ("files", {"data/x.parquet": {"sha256": 1, "bytes": 1}}),
        ("files", {f"{'a' * 5000}": {"sha256": "", "bytes": 0}}),
        ("sources", [1]),
        ("models", {"x": 1}),
        ("labels", {"emotion": "joy"}),
    ],
)
def test_a_field_that_is_not_of_its_form_is_named_in_one_line(copy: Path, name: str, value: object) -> None:
    (copy / "manifest.json").write_text(json.dumps(said_of(copy) | {name: value}))
    with pytest.raises(ReleaseError, match=r"is not the manifest of a release") as told:
        manifest.read(copy)
    assert "\n" not in str(told.value)


def test_every_flipped_byte_of_the_manifest_is_noticed(copy: Path) -> None:
    path = copy / "manifest.json"
    whole = path.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        if said_or_none(path) == json.loads(whole):
            continue  # white space
        with pytest.raises(ReleaseError):
            manifest.check(copy)


def said_or_none(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 200_000, "nested too deep"),
        ('{"corpus": "reddit", "corpus": "reddit"}', "stands twice"),
        ('{"format": 99, "code": {"corpusmith": "9.0"}}', r"is of format 99, .* written by corpusmith 9\.0"),
        ('{"rows": NaN}', "is no number of JSON"),
    ],
)
def test_a_document_that_is_no_manifest_is_named_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ReleaseError, match=says) as told:
        manifest.read(tmp_path)
    assert "\n" not in str(told.value)


def test_text_that_is_not_utf_8_and_a_sparse_giant_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(ReleaseError, match="is not UTF-8"):
        manifest.read(tmp_path)
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ReleaseError, match="is larger than"):
        manifest.read(tmp_path)


def test_unknown_keys_of_the_same_format_are_kept(copy: Path) -> None:
    said = replace(manifest.read(copy), more={"licence": "mine"})
    (copy / "manifest.json").write_text(said.to_json())
    assert manifest.read(copy).more == {"licence": "mine"}
    assert manifest.read(copy).to_json() == said.to_json()


@pytest.mark.parametrize("kind", ["link", "fifo", "hidden shard", "shard in a folder", "more"])
def test_what_a_reader_would_take_in_is_listed_or_refused(copy: Path, kind: str) -> None:
    shard = next((copy / "data").glob("*.parquet"))
    match kind:
        case "link":
            (copy / "data" / "x.txt").symlink_to("/etc/passwd")
        case "fifo":
            os.mkfifo(copy / "data" / "train-00009-of-00009.parquet")
        case "hidden shard":
            shutil.copy(shard, copy / "data" / ".train-x.parquet")
        case "shard in a folder":
            (copy / "data" / ".x").mkdir()
            shutil.copy(shard, copy / "data" / ".x" / "x.parquet")
        case "more":
            shutil.copy(shard, copy / "data" / "train-[a].parquet")
    with pytest.raises(ReleaseError, match="is not what was released"):
        manifest.check(copy)
    assert diff(copy, copy).unchanged == 84, "what is not in the manifest is not counted"


@pytest.mark.parametrize("swap", [lambda path: path.symlink_to("/etc/passwd"), os.mkfifo])
def test_a_link_or_fifo_in_the_place_of_a_file_is_named_and_not_opened(copy: Path, swap) -> None:
    (copy / "README.md").unlink()
    swap(copy / "README.md")
    with pytest.raises(ReleaseError, match=r"README\.md: no plain file"):
        manifest.check(copy)
    (copy / "manifest.json").unlink()
    swap(copy / "manifest.json")
    with pytest.raises(ReleaseError, match="a release holds plain files"):
        manifest.read(copy)


def test_a_name_that_would_steer_a_terminal_is_shown_escaped(copy: Path) -> None:
    (copy / "data" / "\x1b[2J.parquet").touch()
    with pytest.raises(ReleaseError, match=r"\\x1b\[2J\.parquet: not in the manifest") as told:
        manifest.check(copy)
    assert "\x1b" not in str(told.value)


def test_a_footer_with_other_rows_than_the_manifest_is_named(copy: Path) -> None:
    said = manifest.read(copy)
    name = said.tables("data")[0]
    files = {**said.files, name: {**said.files[name], "rows": 5}}
    (copy / "manifest.json").write_text(replace(said, files=files).to_json())
    with pytest.raises(ReleaseError, match=rf"{name}: \d+ rows, expected 5"):
        manifest.check(copy)


def test_hidden_files_that_nobody_reads_do_no_harm(copy: Path) -> None:
    (copy / ".cache").mkdir()
    (copy / ".gitattributes").touch()
    (copy / "data" / ".DS_Store").touch()
    assert manifest.check(copy).corpus == "reddit"


def shelf(tmp_path: Path, folder: Path, corpus: str, version: str) -> Path:
    """A folder of published corpora in which a release lies under a name of somebody's choice."""
    shutil.copytree(folder, tmp_path / "shelf" / corpus / version)
    (tmp_path / "shelf" / corpus / "latest").write_text(f"{version}\n")
    return tmp_path / "shelf"


@pytest.mark.parametrize(("corpus", "version"), [("portraits", "1.0.0"), ("reddit", "9.0.0")])
def test_what_was_asked_for_is_what_comes(release_dir: Path, tmp_path: Path, corpus: str, version: str) -> None:
    source = shelf(tmp_path, release_dir, corpus, version)
    with pytest.raises(ReleaseError, match=rf"should hold {corpus} {version}, and holds reddit 1\.0\.0"):
        pull(corpus, None, source, tmp_path / "here")
    assert not any((tmp_path / "here").rglob("*"))


def test_a_pulled_version_never_changes(release_dir: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    place = pull("reddit", None, shelf(tmp_path, release_dir, "reddit", "1.0.0"), here)
    (place / "notes").write_text("mine")
    other = write_release(reddit(2), tmp_path / "other")
    source = shelf(tmp_path / "2", tmp_path / "other", "reddit", other.version)
    (place / "notes").unlink()
    with pytest.raises(ReleaseError, match=r"with other content .* a pulled version never changes"):
        pull("reddit", None, source, here)
    assert manifest.check(place) == manifest.check(release_dir)


@pytest.mark.parametrize("address", ["dir:/x", "gs://bucket/x", "ftp://somewhere/x"])
def test_an_address_of_an_unknown_kind_makes_no_folder(
    release_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="is not known; expected a folder"):
        publish(release_dir, address)
    assert list(tmp_path.iterdir()) == []


def home_with(tmp_path: Path, name: str, folder: Path) -> Path:
    shutil.copytree(folder, tmp_path / name / "pulled" / "reddit" / "1.0.0")
    (tmp_path / name / "pulled" / "reddit" / "latest").write_text("1.0.0\n")
    return tmp_path / name


def poisoned(folder: Path) -> None:
    """Other texts in the rows; the card and everything that it says stay, the manifest is in order."""
    for shard in (folder / "data").glob("*.parquet"):
        pl.read_parquet(shard).with_columns(text=pl.lit("poison")).write_parquet(shard)
    said = manifest.read(folder)
    held = {name: {**of, "sha256": manifest.sha256(folder / name)} for name, of in said.files.items()}
    sized = {name: {**of, "bytes": (folder / name).stat().st_size} for name, of in held.items()}
    (folder / "manifest.json").write_text(replace(said, files=sized).to_json())


def test_load_returns_the_bytes_that_lie_there(
    release_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    honest, evil = home_with(tmp_path, "honest", release_dir), home_with(tmp_path, "evil", release_dir)
    poisoned(evil / "pulled/reddit/1.0.0")
    for home, is_poison in ((evil, True), (honest, False), (evil, True)):
        texts = corpusmith.load("reddit", "train", home=home)["text"]
        assert (set(texts) == {"poison"}) is is_poison


def test_load_of_what_was_pulled_checks_it_first(release_dir: Path, tmp_path: Path) -> None:
    home = home_with(tmp_path, "home", release_dir)
    shard = next((home / "pulled/reddit/1.0.0/data").glob("train-*.parquet"))
    data = shard.read_bytes()
    shard.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    with pytest.raises(ReleaseError, match=rf"{shard.name}: sha256"):
        corpusmith.load("reddit", "train", home=home, as_="polars")
    assert corpusmith.load("reddit", "train", home=home, as_="polars", verify=False) is not None


def test_load_takes_no_file_that_the_manifest_does_not_name(release_dir: Path, tmp_path: Path) -> None:
    home = home_with(tmp_path, "home", release_dir)
    folder = home / "pulled/reddit/1.0.0/data"
    shutil.copy(next(folder.glob("train-*.parquet")), folder / "train-more.parquet")
    rows = corpusmith.load("reddit", home=home, as_="polars", verify=False).select(pl.len()).collect().item()
    assert rows == 84


def test_labels_are_class_labels_with_their_names_in_order(
    release_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    names = list(reddit(1).text.labels)
    ours = corpusmith.load("reddit", "train", home=home_with(tmp_path, "home", release_dir))
    theirs = datasets.load_dataset(str(release_dir), split="train", cache_dir=str(tmp_path / "theirs"))
    streamed = datasets.load_dataset(str(release_dir), split="train", streaming=True)
    told = pl.concat([pl.read_parquet(path) for path in sorted((release_dir / "data").glob("train-*.parquet"))])
    for rows in (ours, theirs, streamed):
        assert rows.features["emotion"].names == names
        assert [names[row["emotion"]] for row in rows] == told["emotion"].to_list()


@pytest.mark.parametrize("path", ["/etc/passwd", "../other/*.parquet", "https://evil/x.parquet", "hf://datasets/x/y"])
def test_a_card_that_sends_readers_elsewhere_is_refused(copy: Path, path: str) -> None:
    rewrite_card(copy, lambda text: text.replace("path: data/train-*.parquet", f"path: {path}"))
    with pytest.raises(ReleaseError, match="which is no file of the release"):
        check_files(copy)


def rewrite_card(folder: Path, by: Callable[[str], str]) -> None:
    """Another card in a release, with a manifest that says so."""
    card = folder / "README.md"
    card.write_bytes(by(card.read_text()).encode())
    said = manifest.read(folder)
    files = {**said.files, "README.md": {"sha256": manifest.sha256(card), "bytes": card.stat().st_size}}
    (folder / "manifest.json").write_text(replace(said, files=files).to_json())


@pytest.mark.parametrize(
    "form",
    [
        lambda text: f"\n\n{text}",
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("---\n", "---\n\n", 1),
        lambda text: text.replace("---\n", "---\n---x: 1\n", 1),
    ],
    ids=["after blank lines", "CRLF", "a blank line first", "what looks like its end"],
)
def test_front_matter_is_what_the_client_of_the_hub_takes_for_it(copy: Path, form: Callable[[str], str]) -> None:
    rewrite_card(copy, lambda text: form(text.replace("path: data/train-*.parquet", "path: /etc/passwd")))
    with pytest.raises(ReleaseError, match="front matter"):
        check_files(copy)


def test_the_one_hidden_file_that_datasets_reads_is_refused(copy: Path) -> None:
    (copy / ".huggingface.yaml").write_text("configs: [{config_name: default, data_files: /etc/passwd}]")
    with pytest.raises(ReleaseError, match=r"\.huggingface\.yaml: not in the manifest"):
        check_files(copy)


@pytest.mark.parametrize("swap", [lambda path: path.symlink_to("/dev/zero"), os.mkfifo])
def test_a_link_or_fifo_in_the_place_of_a_shard_is_opened_by_nobody(copy: Path, swap) -> None:
    shard = next((copy / "data").glob("*.parquet"))
    shard.unlink()
    swap(shard)
    for read in (lambda: diff(copy, copy), lambda: validate_release(SUITE, copy), lambda: check_files(copy)):
        with pytest.raises(ReleaseError, match=r"a release holds plain files|no plain file"):
            read()


def test_rows_that_the_manifest_does_not_know_are_not_compared(copy: Path) -> None:
    shard = next((copy / "data").glob("*.parquet"))
    pl.scan_parquet(shard, glob=False).head(3).collect().write_parquet(shard)
    for read in (lambda: diff(copy, copy), lambda: validate_release(SUITE, copy)):
        with pytest.raises(ReleaseError, match=r" has 3 rows, expected \d+"):
            read()


def test_a_row_group_too_large_for_memory_is_not_read(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "LARGEST_GROUP", 1 << 20)
    shard = next((copy / "data").glob("*.parquet"))
    rows = pl.scan_parquet(shard, glob=False).collect().with_columns(text=pl.col("key") + "a" * (1 << 19))
    rows.head(20).write_parquet(shard, compression="zstd")
    with pytest.raises(ReleaseError, match="a row group of"):
        diff(copy, copy)
    assert parquet.damage(shard) is None, "the ledger asks this of its own files, which may be as large as they are"


def test_a_key_twice_among_very_many_is_found_at_once(tmp_path: Path) -> None:
    names = [*map(str, range(60_000)), "7"]
    (tmp_path / "manifest.json").write_text("{" + ", ".join(f'"{name}": 1' for name in names) + "}")
    with pytest.raises(ReleaseError, match="the key '7' stands twice"):
        manifest.read(tmp_path)


def test_half_a_surrogate_pair_is_no_text(copy: Path) -> None:
    (copy / "manifest.json").write_text(json.dumps(said_of(copy) | {"note": "\ud800"}))
    with pytest.raises(ReleaseError, match="is not the manifest of a release"):
        manifest.read(copy)


def test_folders_within_folders_without_end_are_not_walked(copy: Path) -> None:
    deep = copy / "data"
    for _ in range(40):
        deep = deep / "d"
    deep.mkdir(parents=True)
    with pytest.raises(ReleaseError, match="folders lie more than"):
        manifest.check(copy)


@pytest.mark.parametrize("value", [1, 3.0, 2.0, True, "2", None])
def test_the_format_of_a_manifest_is_ours_or_it_is_refused(copy: Path, value: object) -> None:
    (copy / "manifest.json").write_text(json.dumps(said_of(copy) | {"format": value}))
    with pytest.raises(ReleaseError, match="format"):
        manifest.read(copy)


def test_a_manifest_without_the_limits_of_its_corpus_is_told_so(copy: Path) -> None:
    said = manifest.read(copy)
    lacking = replace(said, params={"reddit": {"comments": {}}})
    (copy / "manifest.json").write_text(lacking.to_json())
    with pytest.raises(ReleaseError, match=r"params\.reddit of the manifest lacks a limit"):
        validate_release(SUITE, copy)
