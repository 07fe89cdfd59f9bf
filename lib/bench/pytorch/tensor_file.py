"""Reads the safetensors files that the lab writes: an 8-byte length, a JSON header, raw little-endian numbers."""

import json
import struct

import torch

DTYPES = {"F32": torch.float32, "I32": torch.int32}


def load(path, device):
    """Every tensor of a file by name; whole numbers become int64, which PyTorch wants for indices."""
    tensors = {}
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            file.seek(8 + length + begin)
            numbers = torch.frombuffer(bytearray(file.read(end - begin)), dtype=DTYPES[entry["dtype"]]).reshape(
                entry["shape"]
            )
            tensors[name] = numbers.long().to(device) if entry["dtype"] == "I32" else numbers.to(device)
    return tensors
