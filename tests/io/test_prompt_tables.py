from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_samv2_prompts.io.pixel_size import FileWarning
from napari_samv2_prompts.io.prompt_files import read_prompts

SIZE = (100, 200)  # height, width


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def boxes(tmp_path: Path):
    return lambda text: table(tmp_path / "boxes.csv", "object,x0,y0,x1,y1\n" + text)


@pytest.fixture
def points(tmp_path: Path):
    return lambda text: table(tmp_path / "points.csv", "object,x,y,polarity\n" + text)


def test_boxes(boxes) -> None:
    batch = read_prompts(SIZE, boxes=boxes("7,10,20,30.5,40\n2,150,90,120,10\n"))
    assert batch.objects == (2, 7)
    assert batch[0].box == (120, 10, 150, 90)  # corners put in order
    assert batch[1].box == (10, 20, 30.5, 40)


def test_points(points) -> None:
    batch = read_prompts(
        SIZE, points=points("3,10,20,positive\n1,5,5,positive\n3,11,21,Negative\n")
    )
    assert batch.objects == (1, 3)
    np.testing.assert_array_equal(batch[1].points, [[10, 20], [11, 21]])
    np.testing.assert_array_equal(batch[1].labels, [1, 0])


def test_boxes_and_points_of_an_object_are_one_prompt(boxes, points) -> None:
    batch = read_prompts(SIZE, boxes("1,0,0,50,50\n"), points("1,9,9,negative\n2,8,8,positive\n"))
    assert batch.objects == (1, 2)
    assert batch[0].box is not None
    np.testing.assert_array_equal(batch[0].labels, [0])
    assert batch[1].box is None


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_spreadsheets_write(tmp_path: Path, delimiter: str) -> None:
    text = "\ufeffY1,X1,Y0,X0,note, Object \r\n40,30,20,10,a coin,1.0\r\n\r\n,,,,,\r\n"
    batch = read_prompts(SIZE, table(tmp_path / "b.csv", text.replace(",", delimiter)))
    assert batch.objects == (1,)
    assert batch[0].box == (10, 20, 30, 40)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,10,20,abc,40", r"boxes\.csv, line 2: x1 is 'abc', which is not a number"),
        ("1,10,20,nan,40", "x1 is 'nan', which is not a number"),
        ("1,10,20,,40", "x1 is '', which is not a number"),
        ("1,10,20,30", "line 2: 4 values, but the table has 5 columns"),
        ("0,10,20,30,40", "objects are whole numbers from 1"),
        ("1.5,10,20,30,40", "objects are whole numbers from 1"),
        ("99999999999999,10,20,30,40", "objects are whole numbers from 1 to 2147483647"),
        ("1,10,20,10,40", "the box is empty"),
        ("1,200,20,240,40", "outside the image, which is 200 pixels wide and 100 high"),
        ("1,10,-40,30,-5", "outside the image"),
        ("1,1,1,9,9\n1,2,2,8,8", "line 3: object 1 has a second box"),
    ],
)
def test_bad_boxes_are_named(boxes, row: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_prompts(SIZE, boxes=boxes(row + "\n"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,10,20,up", r"points\.csv, line 2: polarity is 'up': it is 'positive' or 'negative'"),
        ("1,10,20,", "polarity is ''"),
        ("1,10,100,positive", r"the point \(10, 100\) lies outside the image"),
        ("1,-1,10,positive", "outside the image"),
    ],
)
def test_bad_points_are_named(points, row: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_prompts(SIZE, points=points(row + "\n"))


def test_a_table_of_several_images_is_none_of_another(tmp_path: Path) -> None:
    table = tmp_path / "all.csv"
    table.write_text("image,object,x0,y0,x1,y1\na.tif,1,5,6,15,16\nb.tif,2,30,40,50,60\n")
    assert read_prompts((100, 200), table, image="b.tif").objects == (2,)
    with pytest.raises(ValueError, match=r"all.csv lists 2 images, but not c.tif"):
        read_prompts((100, 200), table, image="c.tif")


def test_bad_tables_are_named(tmp_path: Path, boxes) -> None:
    with pytest.raises(ValueError, match="lacks the columns y0, y1: its first line must name obj"):
        read_prompts(SIZE, table(tmp_path / "b.csv", "object,x0,x1\n1,2,3\n"))
    with pytest.raises(ValueError, match="lacks the column object"):
        read_prompts(SIZE, table(tmp_path / "b.csv", "x0,y0,x1,y1\n"))
    with pytest.raises(ValueError, match="lacks the columns"):
        read_prompts(SIZE, table(tmp_path / "b.csv", ""))
    with pytest.raises(FileNotFoundError):
        read_prompts(SIZE, tmp_path / "nothing.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(ValueError, match="not a text file"):
        read_prompts(SIZE, tmp_path / "b.csv")


def test_an_object_that_is_said_to_be_nowhere_is_named(boxes, points) -> None:
    nowhere = points("1,9,9,negative\n2,8,8,negative\n2,30,8,positive\n")
    with pytest.warns(FileWarning, match="Object 1 has only negative clicks"):
        read_prompts(SIZE, points=nowhere)
    read_prompts(SIZE, boxes("1,0,0,50,50\n"), nowhere)  # warnings are errors
