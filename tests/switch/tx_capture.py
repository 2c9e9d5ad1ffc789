"""What a dummy port has sent, read frame by frame from the capture that the dummy data path writes (`tx_pcap`)."""

from __future__ import annotations

import struct
from pathlib import Path

FILE_HEADER = 24
RECORD_HEADER = 16


class TxCapture:
    """One capture file: pcap in this machine's byte order, microseconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = FILE_HEADER

    def new_frames(self) -> list[bytes]:
        """Whole records that were not read before."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        frames, at = [], 0
        while len(data) >= at + RECORD_HEADER:
            (length,) = struct.unpack_from("=8xI4x", data, at)
            if len(data) < at + RECORD_HEADER + length:
                break
            frames.append(data[at + RECORD_HEADER : at + RECORD_HEADER + length])
            at += RECORD_HEADER + length
        self._read += at
        return frames
