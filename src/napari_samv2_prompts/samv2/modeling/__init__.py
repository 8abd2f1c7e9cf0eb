"""The published network, one idea a file.

Not here: reading weights (``weights``), how fast it runs (``inference``).
"""
