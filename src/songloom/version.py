"""The version of songloom."""

__version__ = "0.1.0"
