"""Tables of prompts: what spreadsheets and napari write, and the ways to write a box."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from npe2.io_utils import write as write_as_the_window
from tests.fakes import adopt
from tests.io.file_kinds.common import GREY, Desk, row
from tifffile import imread, imwrite

from napari_samv2_prompts.io.pixel_size import FileWarning
from napari_samv2_prompts.io.prompt_files import gather_prompts, read_prompts
from napari_samv2_prompts.layers import (
    current_plane,
    make_layers,
    set_new_prompt,
)
from napari_samv2_prompts.layers import read_prompts as read_in_the_window
from napari_samv2_prompts.prompts import PromptBatch
from napari_samv2_prompts.through import stack_prompts

SIZE = (200, 400)
HEAD = "object;x0;y0;x1;y1\n"


def boxes_of(desk: Desk, text: str | bytes, encoding: str = "utf-8", **more: object) -> dict:
    path = desk.write("boxes.csv", text, encoding)
    return {p.object: p.box for p in read_prompts(SIZE, path, **more)}


def refused(desk: Desk, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        boxes_of(desk, text)


# --- spreadsheets ---

SHEETS = "Tables from spreadsheets"


@row(SHEETS, "commas, semicolons, tabs or bars between cells; `sep=;` as first line", "read")
def _(desk: Desk) -> None:
    for mark in ",;\t|":
        text = "object,x0,y0,x1,y1\n1,10,20,30.5,40\n".replace(",", mark)
        for head in ("", f"sep={mark}\n", f'"sep={mark}"\r\n'):
            assert boxes_of(desk, head + text) == {1: (10, 20, 30.5, 40)}


@row(SHEETS, "spaces between cells, as numpy writes tables, if the first line has no other mark",
     "read")  # fmt: skip
def _(desk: Desk) -> None:
    text = "  # object x0   y0 x1 y1 \n   1.0e+00 10   20 30.5 40 \n"
    assert boxes_of(desk, text) == {1: (10, 20, 30.5, 40)}
    assert boxes_of(desk, "object x0 y0 x1 y1\r\n1 10 20 30.5 40\r\n") == {1: (10, 20, 30.5, 40)}
    refused(desk, "object x0 y0 x1 y1\n1 10 20 30\n", "line 2: 4 values, but the table has 5")


@row(SHEETS, "decimal commas, with semicolons or tabs between cells", "read")
def _(desk: Desk) -> None:
    assert boxes_of(desk, HEAD + "1;10,5;20;30,25;40\n2;1;2;3;4,125\n") == {
        1: (10.5, 20, 30.25, 40), 2: (1, 2, 3, 4.125),
    }  # fmt: skip
    assert boxes_of(desk, HEAD.replace(";", "\t") + "1\t10,5\t20\t30\t40\n")[1][0] == 10.5


@row(SHEETS, "decimal commas with commas between cells", "refused: export with semicolons")
def _(desk: Desk) -> None:
    words = r"boxes\.csv, line 2: 9 values, but the table has 5 columns\. If .* decimal commas"
    refused(desk, "object,x0,y0,x1,y1\n1,10,5,20,0,30,5,40,0\n", words)


@row(
    SHEETS, "thousands with a space, an apostrophe, or the mark that is not the decimal one", "read"
)
def _(desk: Desk) -> None:
    size = (20_000, 20_000)
    pairs = [("1 234", "2'345.5"), ("1\u00a0234", "2345.5"), ("1,234", "2,345.5"),
             ("1.234", "2.345,5"), ("1\u202f234", "2 345,5"), ("1234", "2345,5")]  # fmt: skip
    for one, other in pairs:
        path = desk.write("boxes.csv", HEAD + f"1;{one};20;{other};40\n")
        assert read_prompts(size, path)[0].box == (1234, 20, 2345.5, 40), (one, other)


@row(SHEETS, "`1,234` and nothing that says which mark is the decimal one",
     "refused with both readings")  # fmt: skip
def _(desk: Desk) -> None:
    refused(desk, HEAD + "1;1,234;20;2,345;40\n",
            r"boxes\.csv, line 2: x0 is '1,234', which may be 1234 or 1\.234")  # fmt: skip


@row(SHEETS, "UTF-8 with and without a mark, UTF-16, Latin-1 with accents", "read")
def _(desk: Desk) -> None:
    text = "object\tx0\ty0\tx1\ty1\tgr\u00f6\u00dfe\n1\t10\t20\t30\t40\tm\u00fcll\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"):
        assert boxes_of(desk, text, encoding) == {1: (10, 20, 30, 40)}, encoding


@row(SHEETS, "`#` lines, empty rows, rows of separators, quoted numbers, numbers kept as text",
     "read; the line numbers of messages count them all")  # fmt: skip
def _(desk: Desk) -> None:
    text = '# by somebody\n\nobject,x0,y0,x1,y1\n,,,,\n\n# half way\n"1","10","20",="30","40"\n'
    assert boxes_of(desk, text) == {1: (10, 20, 30, 40)}
    refused(desk, text + "2,'5,6,x,8\n", r"boxes\.csv, line 8: x1 is 'x', which is not a number")
    assert boxes_of(desk, "# object x0 y0 x1 y1\n# object,x0,y0,x1,y1\n1,1,2,3,4\n")[1][3] == 4


@row(
    SHEETS, "columns in any order, in capitals, with others among them; empty cells behind", "read"
)
def _(desk: Desk) -> None:
    text = "note,Y1,X1,Y0,X0, Object ,,\r\na coin,40,30,20,10,1.0,,\r\n"
    assert boxes_of(desk, text) == {1: (10, 20, 30, 40)}


@row(SHEETS, "anything else in a number: letters, `1_0`, NaN, too few or too many cells",
     "refused with line, column and what was seen")  # fmt: skip
def _(desk: Desk) -> None:
    for cell in ("abc", "1_0", "nan", "inf", "", "1e999", "10px", "1,2,3", "0x10"):
        refused(desk, HEAD + f"1;5;5;9;9\n2;10;20;{cell};40\n",
                rf"boxes\.csv, line 3: x1 is '{cell}', which is not a number")  # fmt: skip
    refused(desk, HEAD + "1;5;5;9\n", "line 2: 4 values, but the table has 5 columns")
    refused(desk, HEAD + "1;5;5;9;9;7\n", "line 2: 6 values, but the table has 5 columns")
    refused(desk, HEAD + "1.5;5;5;9;9\n", r"line 2: object is '1\.5': objects are whole numbers")


@row(SHEETS, "a workbook, a picture or other bytes in place of a table", "refused: export as CSV")
def _(desk: Desk) -> None:
    for content in (b"PK\x03\x04\x14\0\x06\0", b"\x89PNG\r\n\x1a\n\0\0", b"\xff\xfe\x00\xd8"):
        with pytest.raises(ValueError, match=r"boxes\.csv is not a text file: export"):
            boxes_of(desk, content)


# --- boxes ---

BOXES = "Ways to write a box"
COINS = {1: (10, 20, 30, 60), 2: (100, 50, 140, 90)}


@row(BOXES, "named corners: `x0,y0,x1,y1`, `x1,y1,x2,y2`, `xmin,ymin,xmax,ymax`, "
     "`left,top,right,bottom`",
     "corners in any order; the centre of the first pixel is 0, 0")  # fmt: skip
def _(desk: Desk) -> None:
    for names in ("x0,y0,x1,y1", "x1,y1,x2,y2", "xmin,ymin,xmax,ymax", "left,top,right,bottom"):
        text = f"object,{names}\n1,10,20,30,60\n2,140,50,100,90\n3,300,9,250,4\n"
        assert boxes_of(desk, text) == COINS | {3: (250, 4, 300, 9)}


@row(BOXES, "named extents: `x,y,width,height`, `x,y,w,h`, `left,top,width,height`",
     "corner and extent in pixels")  # fmt: skip
def _(desk: Desk) -> None:
    for names in ("x,y,width,height", "x,y,w,h", "left,top,width,height"):
        assert boxes_of(desk, f"object,{names}\n1,10,20,20,40\n2,100,50,40,40\n") == COINS


@row(BOXES, "scikit-image's `label,bbox-0,bbox-1,bbox-2,bbox-3`",
     "rows before columns")  # fmt: skip
def _(desk: Desk) -> None:
    assert boxes_of(
        desk, "label,bbox-0,bbox-1,bbox-2,bbox-3\n1,20,10,60,30\n2,50,100,90,140\n"
    ) == (COINS)


SHARES = "1,0.05,0.2,0.05,0.2\n2,0.3,0.35,0.1,0.2\n"  # of SIZE


@row(BOXES, "`--box-format xyxy`, `xywh` or `yolo`", "whatever the columns are called")
def _(desk: Desk) -> None:
    for names in ("x0,y0,x1,y1", "x,y,width,height", "xc,yc,w,h"):
        for box_format, rows in (("xyxy", "1,10,20,30,60\n2,100,50,140,90\n"),
                                 ("xywh", "1,10,20,20,40\n2,100,50,40,40\n"),
                                 ("yolo", SHARES)):  # fmt: skip
            found = boxes_of(desk, f"object,{names}\n{rows}", box_format=box_format)
            assert found.keys() == COINS.keys()
            for number, box in COINS.items():
                np.testing.assert_allclose(found[number], box)
    imwrite(desk.path("a.tif"), np.zeros(SIZE, np.uint8))
    table = desk.write("boxes.csv", "object,x0,y0,x1,y1\n1,10,20,20,40\n")
    out = desk.path("labels.tif")
    arguments = (desk.path("a.tif"), "--boxes", table, "-o", out, "--box-format", "xywh")
    assert desk.segment(*arguments)[0] == 0
    expected = np.zeros(SIZE)
    expected[20:60, 10:30] = 1
    np.testing.assert_array_equal(imread(out), expected)


@row(BOXES, "`x0,y0,x1,y1` whose numbers look like extents, shares, or rows before columns",
     "taken as they are, with a warning that says what to do")  # fmt: skip
def _(desk: Desk) -> None:
    imwrite(desk.path("a.tif"), np.zeros(SIZE, np.uint8))
    cases = {
        "1,30,60,20,10\n2,100,50,40,40\n": "--box-format xywh",
        SHARES: "--box-format yolo",
        "1,20,250,60,280\n2,50,100,90,140\n": "name the columns y0, x0, y1, x1",
        "1,20,10,60,30\n2,90,350,140,390\n": "name the columns y0, x0, y1, x1",
    }
    for rows, advice in cases.items():
        table = desk.write("boxes.csv", f"object,x0,y0,x1,y1\n{rows}")
        _, told = desk.segment(desk.path("a.tif"), "--boxes", table, "-o", desk.path("o.tif"))
        assert told.count(advice) == 1, (rows, told)
    for rows in ("1,10,20,30,60\n2,100,50,140,90\n", "1,-3,5,60,70\n", "1,100,50,460,90\n"):
        table = desk.write("boxes.csv", f"object,x0,y0,x1,y1\n{rows}")
        assert gather_prompts(SIZE, table).all_notes == (), rows


# --- what napari saves ---

SAVED = "Layers that napari saved as CSV"


def same_prompts(found: PromptBatch, expected: tuple) -> None:
    assert [prompt.object for prompt in found] == [prompt.object for prompt in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.points, other.points)
        np.testing.assert_array_equal(one.labels, other.labels)
        assert (one.box is None) == (other.box is None)
        np.testing.assert_allclose(one.box or 0, other.box or 0)
        np.testing.assert_allclose(one.mask_box or 0, other.mask_box or 0)
        np.testing.assert_array_equal(one.mask is None, other.mask is None)
        if one.mask is not None:
            np.testing.assert_array_equal(one.mask, other.mask)


def drawn(shape: tuple[int, ...], planes: tuple[tuple[int, ...], ...]) -> tuple:
    """Return a viewer in which every kind of shape, and clicks, are on each of some planes."""
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros(shape, np.uint8))
    points, shapes, _ = make_layers(viewer, image)
    adopt(points)
    adopt(shapes)
    number = 0
    for front in planes:
        for kind, corners in {
            "rectangle": [(5, 10), (5, 40), (30, 40), (30, 10)],
            "ellipse": [(40, 10), (40, 30), (70, 30), (70, 10)],
            "polygon": [(10, 60), (20, 95.5), (50, 70.25), (30, 55)],
            "path": [(80, 5), (90, 60), (95, 120)],
            "line": [(5, 100), (60, 140)],
        }.items():
            number += 1
            set_new_prompt(None, shapes, object_=number)
            shapes.add([np.array([(*front, *corner) for corner in corners])], shape_type=kind)
        for at, polarity in (((15.25, 20), "positive"), ((28, 38), "negative")):
            set_new_prompt(points, None, object_=number - 4, polarity=polarity)
            points.add((*front, *at))
        set_new_prompt(points, None, object_=number + 100)
        points.add((*front, 70, 120))
        points.add((*front, 400, 120))
    return viewer, image, points, shapes


def saved(desk: Desk, layer: object, name: str) -> object:
    path = desk.path(name)
    write_as_the_window(str(path), [layer.as_layer_data_tuple()], plugin_name="napari")
    return path


@row(SAVED, "`points.csv` with our columns, and `shapes.csv` of every kind of shape",
     "the same prompts as in the window")  # fmt: skip
def _(desk: Desk) -> None:
    viewer, image, points, shapes = drawn((100, 150), ((),))
    inside, _ = read_in_the_window(
        points, shapes, image, current_plane(viewer.dims, image), viewer.dims
    )
    files = saved(desk, shapes, "shapes.csv"), saved(desk, points, "points.csv")
    found = gather_prompts((100, 150), *files)
    same_prompts(found.single(), inside)
    assert found.all_notes == ("points.csv: left out: 1 prompt outside the image.",)
    imwrite(desk.path("a.tif"), np.zeros((100, 150), np.uint8))
    desk.path("out").mkdir()
    one = desk.path("out") / "one.tif"
    arguments = (desk.path("a.tif"), "--boxes", files[0], "--points", files[1], "-o", one)
    assert desk.segment(*arguments)[0] == 0
    for path, new in zip(files, ("a.boxes.csv", "a.points.csv"), strict=True):
        path.rename(desk.path(new))
    assert desk.segment(desk.folder, "-o", desk.path("out"))[0] == 0
    np.testing.assert_array_equal(imread(one), imread(desk.path("out") / "a.labels.tif"))
    assert set(np.unique(imread(one))) >= {1, 2, 3}


@row(SAVED, "the same with planes", "each plane's prompts; with an image of one plane refused")
def _(desk: Desk) -> None:
    viewer, image, points, shapes = drawn((4, 100, 150), ((0,), (2,)))
    files = saved(desk, shapes, "shapes.csv"), saved(desk, points, "points.csv")
    found = gather_prompts((100, 150), *files)
    assert set(found.planes) == {(0,), (2,)}
    for plane in (0, 1, 2):
        viewer.dims.set_current_step(0, plane)
        here = current_plane(viewer.dims, image)
        inside, _ = read_in_the_window(points, shapes, image, here, viewer.dims)
        same_prompts(found.batch((plane,)), inside)
    with pytest.warns(FileWarning, match="outside the image"):
        stack = stack_prompts((4, 100, 150), *files)
    assert {plane: batch.objects for plane, batch in stack.items()} == {
        plane[0]: found.batch(plane).objects for plane in found.planes
    }
    imwrite(desk.path("a.tif"), GREY)
    status, told = desk.segment(desk.path("a.tif"), "--boxes", files[0])
    assert status == 1
    assert "--through" in told


@row(SAVED, "layers without our columns", "each point and each shape is an object of its own")
def _(desk: Desk) -> None:
    points = desk.write("p.csv", "index,axis-0,axis-1\n0.0,15,20\n1.0,70,120\n")
    corners = [(5, 10), (5, 40), (30, 40), (30, 10)]
    lines = [
        f"{i},rectangle,{v},{y},{x + 50 * i}" for i in (0, 1) for v, (y, x) in enumerate(corners)
    ]
    shapes = desk.write("s.csv", "\n".join(["index,shape-type,vertex-index,axis-0,axis-1", *lines]))
    found = read_prompts((100, 150), shapes, points)
    assert found.objects == (1, 2, 3, 4)
    assert [prompt.box for prompt in found] == [(10, 5, 40, 30), (60, 5, 90, 30), None, None]
    np.testing.assert_array_equal(found[2].points, [[20, 15]])


@row(SAVED, "a column `plane` in our own tables", "as the planes of a saved layer")
def _(desk: Desk) -> None:
    boxes = desk.write("b.csv", "object,plane,x0,y0,x1,y1\n1,3,1,2,8,9\n1,5,2,2,8,9\n2,3,4,4,9,9\n")
    points = desk.write("p.csv", "object,plane,x,y,polarity\n2,3,5,5,negative\n3,0,1,1,positive\n")
    found = gather_prompts((20, 30), boxes, points)
    assert {plane: found.batch(plane).objects for plane in found.planes} == {
        (3,): (1, 2), (5,): (1,), (0,): (3,),
    }  # fmt: skip
    assert found.batch((3,))[1].labels.tolist() == [0]
    refused(desk, "object,plane,x0,y0,x1,y1\n1,2.5,1,2,8,9\n", r"line 2: plane is '2\.5'")
