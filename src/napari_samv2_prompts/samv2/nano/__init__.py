"""Our own small model: a subclass of the published network, and what it adds.

Prompts are drawn as maps (``prompt_maps``, ``similarity``, ``geodesic``), masks are shaped by
convolutions (``refinement``), judged by their looks (``mask_scores``), and decoded in a window
around each prompt (``windows``).
"""
