"""The person's height, from the file to the device."""

import pytest

from calib.subject import save_subject
from runtime.subject import Subject, load_subject
from sa3dhp_edge.errors import InputError, OutputError


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "subject.json"
    save_subject(path, Subject(1783.5))
    assert load_subject(path) == Subject(1783.5)
    with pytest.raises(OutputError, match="exists already"):
        save_subject(path, Subject(1700.0))
    save_subject(path, Subject(1700.0), overwrite=True)
    assert load_subject(path).height_mm == 1700.0


@pytest.mark.parametrize("height_mm", [1.78, 178.0, 499.9, 2500.1, float("nan")])
def test_no_person_is_so_tall(height_mm):
    with pytest.raises(InputError, match="no person's") as refused:
        Subject(height_mm)
    assert "--height-cm 178" in refused.value.hint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read as a subject"),
        ("[1700]", "is not a subject"),
        ('{"height_cm": 170}', '"height_mm" is missing'),
        ('{"height_mm": null}', "no number"),
        ('{"height_mm": "tall"}', "cannot be read"),
        ('{"height_mm": 170}', r"bad\.json: a height of 17 cm is no person's"),
    ],
)
def test_files_that_are_no_subjects_are_refused_by_name(tmp_path, text, words):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as refused:
        load_subject(path)
    assert "calib subject --height-cm" in refused.value.hint


def test_a_subject_that_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        load_subject(tmp_path / "none.json")
