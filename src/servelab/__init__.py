"""Find out how to serve a Python application: start, load, measure, judge, explain."""

__version__ = "0.1.0"
