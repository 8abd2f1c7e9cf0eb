"""Units of work: what scripts, the command line and clusters do to files, folders and stacks.

What a unit is (``unit``), its kinds (``files``, ``folders``, ``ome_zarr``, ``slides``, ``stacks``,
``embeddings``, ``parts``), and having many of them done by other processes and machines
(``cluster``, ``parts``).  Not here: one picture from a script (``scripting.py``), options of the
command line (``cli``).
"""
