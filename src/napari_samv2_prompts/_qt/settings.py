"""What the user set in napari's preferences, with defaults where napari keeps none for us."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Settings", "read_settings"]

_PLUGIN = "napari-samv2-prompts"


@dataclass(frozen=True, slots=True)
class Settings:
    """Preferences of this plugin.

    Attributes
    ----------
    cache_mb : float
        Memory for embeddings, in megabytes.
    model : str
        Model that is chosen when the widget opens.
    """

    cache_mb: float = 1000.0
    model: str = "nano"


def read_settings() -> Settings:
    """Read the preferences; defaults if the manifest that napari knows declares none."""
    try:
        from napari.settings import get_plugin_settings

        section = get_plugin_settings(_PLUGIN).general
    except (ImportError, KeyError, AttributeError):
        return Settings()
    return Settings(float(section.embedding_memory), str(section.model))
