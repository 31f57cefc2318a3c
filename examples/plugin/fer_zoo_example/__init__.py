"""A tutorial plug-in of fer_zoo. Importing it registers its components; fer_zoo does so by the entry point."""

from fer_zoo_example import micro, spotlight

__all__ = ["micro", "spotlight"]
