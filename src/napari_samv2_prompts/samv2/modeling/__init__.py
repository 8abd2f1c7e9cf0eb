"""The published network, one idea a file.

Not here: this project's own model (``nano``), reading weights (``weights``), how fast either runs
(``inference``).
"""
