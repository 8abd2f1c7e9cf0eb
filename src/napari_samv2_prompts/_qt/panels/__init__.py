"""The parts of the form, one per file: each shows a state and has one signal per wish.

A part knows neither viewer nor session; what follows from a wish is the widget's business.
"""
