"""Buttons have the viewer's own icons in its theme's colour, and do without them."""

from __future__ import annotations

import pytest
from magicgui.widgets import ComboBox
from napari import resources
from qtpy.QtGui import QColor, QIcon

from napari_samv2_prompts._qt.form import Form
from napari_samv2_prompts._qt.form.widgets import SIDE, IconButton, theme_icon


@pytest.fixture
def form(qtbot) -> Form:
    form = Form([ComboBox(name=n) for n in ("image", "points", "shapes", "labels")], ("auto",))
    qtbot.addWidget(form)
    return form


def inks(icon: QIcon, mode: QIcon.Mode = QIcon.Mode.Normal) -> list[QColor]:
    """Return the colours of the pixels that are drawn."""
    image = icon.pixmap(SIDE, SIDE, mode).toImage()
    places = ((x, y) for x in range(image.width()) for y in range(image.height()))
    return [colour for at in places if (colour := image.pixelColor(*at)).alpha()]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_icon_of_the_form_is_one_of_the_viewers_in_its_colour(form: Form, theme: str) -> None:
    from napari.utils.theme import get_theme

    form.use_theme(theme)
    wanted = QColor(get_theme(theme).icon.as_hex())
    icons = [press.icon() for press in form.findChildren(IconButton) if press.icon_name]
    assert len(icons) > 10
    for icon in icons:
        colours = [colour for colour in inks(icon) if colour.alpha() > 100]
        assert colours
        assert all(abs(c.lightness() - wanted.lightness()) <= 4 for c in colours)


def test_an_icon_is_paler_on_a_button_that_cannot_be_pressed(qapp) -> None:
    icon = theme_icon("check", "dark")
    faded = max(c.alpha() for c in inks(icon, QIcon.Mode.Disabled))
    assert faded < 128 < max(c.alpha() for c in inks(icon))


@pytest.mark.parametrize("gone", ["get_colorized_svg", "get_icon_path"])
def test_a_viewer_without_these_icons_leaves_the_words(form: Form, monkeypatch, gone: str) -> None:
    texts = [press.text() for press in form.findChildren(IconButton)]
    for replacement in (None, lambda: ""):  # it is not there; it is called in another way
        if replacement is None:
            monkeypatch.delattr(resources, gone)
        else:
            monkeypatch.setattr(resources, gone, replacement, raising=False)
        form.use_theme("dark")
        assert all(press.icon().isNull() for press in form.findChildren(IconButton))
    assert [press.text() for press in form.findChildren(IconButton)] == texts


def test_an_icon_that_the_viewer_does_not_know_is_none(qapp) -> None:
    assert theme_icon("no such icon", "dark").isNull()
    assert theme_icon("check", "no such theme").isNull()


def test_a_button_changes_its_icon_in_the_theme_that_it_has(qtbot) -> None:
    press = IconButton("Find all", "zoom")
    qtbot.addWidget(press)
    press.use_theme("light")
    before = press.icon().cacheKey()
    press.show_icon("square")
    assert press.icon().cacheKey() != before
    assert not press.icon().isNull()
