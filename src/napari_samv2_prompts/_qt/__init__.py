"""Everything that knows Qt or the running napari: the dock widget and its worker."""
