"""What earlier tests left to the garbage collector."""

import gc
import warnings


def collect() -> None:
    """Take it away now, without complaint: it is not to be counted in the next test, nor held against it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
