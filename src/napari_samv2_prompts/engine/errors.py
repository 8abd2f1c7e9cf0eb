"""What went wrong, as one sentence that says what to do."""

from __future__ import annotations


def sentence(error: BaseException) -> str:
    """Say what went wrong in the user's words, with what to do."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    memory = ("out of memory", "not enough memory", "can't allocate memory")  # torch's words
    if isinstance(error, MemoryError) or any(words in text.lower() for words in memory):
        return "Not enough memory: choose a smaller model or the CPU, or close other programs."
    if isinstance(error, ValueError | OSError | ImportError | RuntimeError) and text:
        return text if text.endswith((".", "!", "?")) else f"{text}."
    return f"Something unforeseen went wrong ({name}: {text or 'no details'}); the log says more."
