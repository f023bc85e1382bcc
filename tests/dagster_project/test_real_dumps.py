"""Real dump files and tables, traps included, go through to the comments."""

import pytest


@pytest.mark.parametrize("name", ["RC_2005-12.zst", "RC_2006-01.zst"])
def test_a_real_dump_is_accounted_for_line_by_line(shared_data, name, tmp_path, cli):
    dump = shared_data / "pushshift_dumps" / name
    ran = cli("build", "reddit", "--profile", "smoke", "--source", dump, "--json", home=tmp_path)
    assert ran.code == 0, ran.err
    assert ran.json["rows"] == 56


def test_goemotions_comments_are_a_source(shared_data, tmp_path, cli):
    table = shared_data / "goemotions" / "ekman" / "dev.tsv"
    ran = cli("build", "reddit", "--profile", "smoke", "--source", table, "--json", home=tmp_path)
    assert ran.code == 0, ran.err
    assert ran.json["rows"] == 56
