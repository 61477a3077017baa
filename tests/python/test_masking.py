"""`sealgate mask` masks as the original's mask_data does: characters, not bytes."""

import pytest

from doors import load, named

VECTORS = load("masking.json")["vectors"]
ONE_LINE = [vector for vector in VECTORS if "\n" not in vector["data"]]  # the command masks line by line


@pytest.mark.parametrize("vector", named(ONE_LINE))
def test_the_command_masks_like_python(sealgate, vector):
    ended = sealgate("mask", "--visible-chars", str(vector["visible_chars"]), stdin=vector["data"] + "\n")
    assert ended.succeeded().decode() == vector["masked"] + "\n"


def test_three_characters_stay_visible_where_nothing_is_said(sealgate):
    assert sealgate("mask", stdin="my_password\n").succeeded() == b"my_********\n"


def test_each_line_is_masked_by_itself(sealgate):
    data = [vector for vector in ONE_LINE if vector["visible_chars"] == 3]
    ended = sealgate("mask", stdin="".join(vector["data"] + "\n" for vector in data))
    assert ended.succeeded().decode() == "".join(vector["masked"] + "\n" for vector in data)


def test_masking_needs_no_keys_and_makes_none(sealgate, tmp_path):
    folder = tmp_path / "state"
    sealgate("mask", stdin="secret", SEALGATE_DATA_DIR=folder).succeeded()
    assert not folder.exists()


def test_what_is_not_text_is_refused(sealgate):
    ended = sealgate("mask", stdin=b"\xff\xfe")
    assert (ended.code, ended.out) == (2, b"")
