"""The metadata of OME-TIFF files: what they say of the pixels of their first image."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def pixels_of(xml: str) -> Element | None:
    """Return what is said of the pixels; None if nothing is.

    Raises ElementTree.ParseError if it is damaged.
    """
    from xml.etree import ElementTree

    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:  # what grows without bound is written with these
        raise ElementTree.ParseError("it declares entities, which OME-XML never does")
    root = ElementTree.fromstring(xml)  # nosec B314
    return next((e for e in root.iter() if e.tag.endswith("Pixels")), None)


def channel_names(xml: str) -> tuple[str, ...]:
    """Return the names of the channels, numbers where they have none; nothing if it is damaged."""
    from xml.etree import ElementTree

    try:
        pixels = pixels_of(xml)
    except ElementTree.ParseError:
        return ()  # names are a help, and no more
    listed = [] if pixels is None else [e for e in pixels if e.tag.endswith("Channel")]
    return tuple(channel.get("Name") or str(n) for n, channel in enumerate(listed))
