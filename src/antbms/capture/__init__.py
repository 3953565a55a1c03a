"""Recorded traffic: the text format of recordings, and raw files."""

from .text import Chunk, comment_line, read_capture, read_chunks, write_chunk

__all__ = ["Chunk", "comment_line", "read_capture", "read_chunks", "write_chunk"]
