"""`python -m antbms` is `antbms`."""

from .cli.main import entry

entry()
