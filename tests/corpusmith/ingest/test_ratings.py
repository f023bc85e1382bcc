"""What people said is read as they said it, and what is wrong is named with its file and row."""

import polars as pl
import pytest

from corpusmith.errors import ReleaseError, SourceError, UserError
from corpusmith.ingest import people
from corpusmith.ingest.ratings import MEMO_RATERS, merged, read_ratings
from corpusmith.score.raters import RATINGS

KEYS = ("k1", "k2", "k3")
HEADER = "rater,image,emotion,degree,quality"


@pytest.fixture
def sheet(tmp_path):
    def write(*rows: str, header: str = HEADER, name: str = "ratings.csv", encoding: str = "utf-8"):
        path = tmp_path / name
        path.write_bytes("\n".join([header, *rows, ""]).encode(encoding))
        return path

    return write


def test_a_sheet_is_read_on_its_five_grades(sheet):
    read = read_ratings([sheet("anna,k1.png,happy,1,5", "anna,k2.png,worry,3,2.5")], KEYS)
    assert read.ratings.schema == RATINGS
    assert read.ratings.rows() == [("anna", "k1", "joy", 0.0, 1.0), ("anna", "k2", "fear", 0.5, 0.375)]
    assert read.scales == {
        "ratings.csv degree": "1–5, as sheets have it",
        "ratings.csv quality": "1–5, as sheets have it",
    }


def test_both_vocabularies_are_understood_whatever_the_case(sheet):
    rows = [f"r{place},k1,{word},2,2" for place, word in enumerate(("Joy", "HAPPY", " disgust ", "Angry"))]
    assert read_ratings([sheet(*rows)], KEYS).ratings["emotion"].to_list() == ["joy", "joy", "disgust", "anger"]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("anna;k1.png;sad;3,5;4", "utf-8-sig"),
        ('anna,"images/k1.png",sad,"3,5",4', "utf-8"),
        ("anna\tC:\\\\images\\k1.png\tsad\t3.5\t4", "utf-8"),
        ('"anna",k1.png,sad,3.5,"4\n"', "utf-8"),
    ],
)
def test_what_spreadsheets_write_is_read(sheet, text, encoding):
    separator = next(mark for mark in ";\t," if mark in text)
    path = sheet(text, header=HEADER.replace(",", separator), encoding=encoding)
    assert read_ratings([path], KEYS).ratings.rows() == [("anna", "k1", "sadness", 0.625, 0.75)]


def test_other_columns_are_passed_over_and_rows_left_blank_are_counted(sheet):
    path = sheet("so so,4,k1,,sad,anna,3", "well,,k2,,,anna,", header="note,quality,image,x,emotion,rater,degree")
    read = read_ratings([path], KEYS)
    assert read.ratings.height == read.blank == 1


def test_what_was_left_blank_is_null_but_a_neutral_face_has_no_degree(sheet):
    read = read_ratings([sheet("anna,k1,neutral,,3", "anna,k2,,,3", "anna,k3,happy,,")], KEYS)
    assert read.ratings["degree"].to_list() == [0.0, None, None]
    assert read.ratings["emotion"].to_list() == ["neutral", None, "joy"]


def test_several_files_are_one_panel(sheet):
    files = [sheet(f"{name},k1,sad,3,3", name=f"{name}.csv") for name in ("anna", "ben")]
    assert read_ratings(files, KEYS).ratings["rater"].to_list() == ["anna", "ben"]


def test_a_stated_scale_counts(sheet):
    read = read_ratings([sheet("anna,k1,sad,50,75")], KEYS, (0.0, 100.0))
    assert read.ratings.row(0)[3:] == (0.5, 0.75)
    assert read.scales["ratings.csv degree"] == "0–100, as was said"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("anna,k9.png,sad,3,3", "ratings.csv: row 3: the image 'k9.png' is not one of the release's"),
        ("anna,k2,sad,6,3", "row 3: degree 6.0 is not on the scale from 1 to 5"),
        ("anna,k2,sad,3,0", "row 3: quality 0.0 is not on the scale from 1 to 5"),
        ("anna,k2,sad,much,3", "row 3: degree 'much' is not a number"),
        ("anna,k2,sad,nan,3", "row 3: degree 'nan' is not a number"),
        ("anna,k2,gloomy,3,3", "row 3: unknown emotion 'gloomy'; expected one of happy, sad"),
        (",k2,sad,3,3", "row 3: no rater is named"),
        ("anna,k1,sad,3,3", r"row 3: anna rated k1 already in .*ratings.csv: row 2"),
        ("anna,k2,sad,3", "row 3 has not the 5 cells of row 1"),
        ('anna,"k2,sad,3,3', "line 3: .*quotation mark left open"),
    ],
)
def test_a_bad_row_is_named(sheet, row, says):
    with pytest.raises(SourceError, match=says):
        read_ratings([sheet("anna,k1,sad,3,3", row)], KEYS)


def test_a_row_after_a_quoted_newline_has_the_number_that_a_spreadsheet_shows(sheet):
    with pytest.raises(SourceError, match="row 3: unknown emotion"):
        read_ratings([sheet('anna,k1,sad,3,"3\n"', "anna,k2,gloomy,3,3")], KEYS)


def test_everything_that_is_wrong_is_said_at_once(sheet):
    with pytest.raises(SourceError) as raised:
        read_ratings([sheet(*(f"anna,x{place},gloomy,9,3" for place in range(5)))], KEYS)
    assert str(raised.value).count("\n") == 10
    assert str(raised.value).endswith("… and 5 more")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"rater,image,emotion,degree\n", "no column quality; expected rater, image"),
        (b"rater,rater,image,emotion,degree,quality\n", "column rater stands more than once"),
        (b"", "found nothing"),
        (b"rater,image\xff\n", "is not text in UTF-8"),
        (b"PK\x03\x04\x00\x00", "not a table of text"),
    ],
)
def test_a_file_that_is_no_sheet_is_refused(tmp_path, content, says):
    path = tmp_path / "ratings.csv"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=says):
        read_ratings([path], KEYS)


def test_a_missing_file_and_none_at_all_are_said(tmp_path):
    with pytest.raises(SourceError, match="No such file"):
        read_ratings([tmp_path / "nowhere.csv"], KEYS)
    with pytest.raises(UserError, match="no file"):
        read_ratings([], KEYS)


@pytest.mark.parametrize("rows", [(), ("anna,k1,,,", "anna,k2,,,")])
def test_sheets_that_nobody_filled_in_are_refused(sheet, rows):
    with pytest.raises(SourceError, match=r"nobody filled in a row of .*anna\.csv, .*ben\.csv"):
        read_ratings([sheet(*rows, name="anna.csv"), sheet(*rows, name="ben.csv")], KEYS)


def test_kept_ratings_that_are_damaged_are_named_and_stay(sheet, tmp_path):
    ratings = read_ratings([sheet("anna,k1,sad,3,3")], KEYS).ratings
    people.keep(tmp_path, "portraits", ratings)
    kept = tmp_path / ".corpusmith" / "ratings" / "portraits" / "ratings.parquet"
    kept.write_bytes(b"PAR1 damaged")
    with pytest.raises(SourceError, match=r"ratings\.parquet is not a whole Parquet file .*import every sheet again"):
        people.keep(tmp_path, "portraits", ratings)
    assert kept.read_bytes() == b"PAR1 damaged"


def test_kept_opinions_that_are_damaged_are_named(sheet, tmp_path):
    people.keep(tmp_path, "portraits", read_ratings([sheet("anna,k1,sad,3,3")], KEYS).ratings)
    (tmp_path / ".corpusmith" / "annotations" / "portraits" / "people.parquet").write_bytes(b"")
    with pytest.raises(SourceError, match=r"people\.parquet is not a whole Parquet file"):
        people.said(tmp_path, "portraits")


def test_a_sheet_without_its_release_is_not_read(sheet):
    with pytest.raises(ReleaseError, match="there is none"):
        read_ratings([sheet("anna,k1,sad,3,3")], None)


@pytest.fixture
def memo(sheet):
    """MEMO-Bench's two files, with their columns."""
    return [
        sheet("a_1.png,62.5,happy", "b.png,10,worry", header="Image,Score,Distortions", name="annotation_emo.csv"),
        sheet("a_1.png,4.5", "b.png,3", header="Image,Quality", name="annotation_quality.csv"),
    ]


def test_memo_benchs_two_files_are_read_as_they_are(memo):
    read = read_ratings(memo, None)
    assert read.ratings.rows() == [
        (MEMO_RATERS, "a_1.png", "joy", 0.625, 0.875),
        (MEMO_RATERS, "b.png", "fear", 0.1, 0.5),
    ]
    assert read.foreign == 2
    assert read.scales == {
        "annotation_emo.csv degree": "0–100, taken from 10 to 62.5",
        "annotation_quality.csv quality": "1–5, taken from 3 to 4.5",
    }


def test_memo_benchs_files_may_come_one_after_the_other(memo):
    one, other = (read_ratings([path], KEYS).ratings for path in memo)
    assert merged(one, other).equals(read_ratings(memo, KEYS).ratings)


def test_a_scale_that_nobody_uses_must_be_said(sheet):
    path = sheet("a.png,-3", header="Image,Quality")
    with pytest.raises(SourceError, match="quality goes from -3 to -3, which is no usual scale"):
        read_ratings([path], None)
    assert read_ratings([path], None, (-5.0, 5.0)).ratings["quality"].to_list() == [0.2]


def test_what_people_said_is_kept_and_may_be_corrected(sheet, tmp_path):
    first = read_ratings([sheet("anna,k1,sad,3,3", "anna,k2,sad,3,3")], KEYS).ratings
    people.keep(tmp_path, "portraits", first)
    people.keep(tmp_path, "portraits", read_ratings([sheet("ben,k1,sad,5,3")], KEYS).ratings)
    opinions = people.keep(tmp_path, "portraits", read_ratings([sheet("anna,k2,happy,3,3")], KEYS).ratings)
    assert opinions.select("key", "raters", "emotion", "degree").rows() == [
        ("k1", 2, "sadness", 0.75),
        ("k2", 1, "joy", 0.5),
    ]
    assert people.kept(tmp_path, "portraits").height == 3
    said = people.said(tmp_path, "portraits")
    assert said.collect_schema() == people.ANNOTATIONS
    assert said.select("key", "annotator", "human").collect().rows() == [("k1", "people", True), ("k2", "people", True)]


def test_before_the_first_ratings_nobody_said_anything(tmp_path):
    assert people.said(tmp_path, "portraits").collect().equals(pl.DataFrame(schema=people.ANNOTATIONS))


def test_empty_columns_that_a_spreadsheet_adds_are_left_out(sheet):
    path = sheet("anna,k1,happy,1,5,,", "ben,k1,sad,2,5,,", header=f"{HEADER},,")
    assert read_ratings([path], KEYS).ratings["rater"].to_list() == ["anna", "ben"]


def test_a_rater_is_one_person_however_the_letters_of_his_name_are_put_together(sheet):
    files = [sheet("Björn,k1,sad,3,3", name="a.csv"), sheet("Bjo\u0308rn,k2,sad,3,3", name="b.csv")]
    assert set(read_ratings(files, KEYS).ratings["rater"]) == {"Björn"}
