"""Speed and memory of this package, as ratios against a peer in the same run.

``python -m benchmarks`` prints the table and the machine.  Not a test: nothing here fails on a slow
machine.
"""
