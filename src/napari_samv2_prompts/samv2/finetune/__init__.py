"""Teach a model a kind of pictures: from pictures with labels to weights that know them.

The simulated user (``clicks``, ``interaction``), the loss (``losses``), what is learnt from
(``examples``), the loop with its validation (``loop``).  Not here: reading files of pictures
(``cli/train.py``), and how the bundled model itself was made (``training/``, outside the wheel).
"""
