"""Reads the safetensors files that the lab writes: an 8-byte length, a JSON header, raw little-endian numbers."""

import json
import struct


def entries(path):
    """name, dtype ("F32" or "I32"), shape, bytes of every tensor of a file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            file.seek(8 + length + begin)
            yield name, entry["dtype"], entry["shape"], bytearray(file.read(end - begin))


def load(path, device):
    """Every tensor by name for PyTorch; whole numbers become int64, which it wants for indices."""
    import torch

    tensors = {}
    for name, dtype, shape, content in entries(path):
        numbers = torch.frombuffer(content, dtype={"F32": torch.float32, "I32": torch.int32}[dtype]).reshape(shape)
        tensors[name] = numbers.long().to(device) if dtype == "I32" else numbers.to(device)
    return tensors
