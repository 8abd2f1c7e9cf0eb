"""Files as values and back: pictures, tables of prompts, exports, records.

Not here: what is computed from them (``scripting``, ``batch``).
"""
