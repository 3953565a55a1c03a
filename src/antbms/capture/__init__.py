"""Recorded traffic: the text format of recordings, Bluetooth logs of phones, hex and raw bytes."""

from .source import read_capture, read_stream
from .text import Chunk, comment_line, device_of, read_chunks, write_chunk

__all__ = ["Chunk", "comment_line", "device_of", "read_capture", "read_chunks", "read_stream", "write_chunk"]
