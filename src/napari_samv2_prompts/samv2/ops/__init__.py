"""Numerical building blocks that every room above uses: kernels, tiling.  No network in here."""
