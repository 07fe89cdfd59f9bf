"""
PyTorch as a worker of `s2mllm bench`.

Weights, inputs and settings come from files that the lab wrote; lib/bench/messages.ts describes the requests.
"""

import contextlib
import json
import os
import re
from time import perf_counter

import torch

import blocks
import layers
import model
import transformer
from serve import Worker, serve
from tensor_file import load

TASKS = {
    "nano": model.Program,
    "slice-7b": model.Program,
    "transformer": transformer.Program,
    "qwen2-layer": layers.Qwen2,
    "siglip-layer": layers.Siglip,
}
HALF = {"fp16": torch.float16, "bf16": torch.bfloat16}


class TorchWorker(Worker):
    def prepare(self, task, kind, engine, precision, mode, threads, folder, comparedSteps, **_):
        if engine == "cuda" and not torch.cuda.is_available():
            raise RuntimeError("torch.cuda is not available: this PyTorch has no CUDA, or the machine no NVIDIA GPU")
        torch.set_num_threads(threads)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"
        self.device = torch.device(engine)
        with open(os.path.join(folder, "settings.json")) as file:
            settings = json.load(file)
        weights, inputs = (
            load(os.path.join(folder, name + ".safetensors"), self.device) for name in ("weights", "inputs")
        )
        program = TASKS[task](weights, inputs, settings)
        if mode == "compiled":
            if not hasattr(torch, "compile"):
                raise RuntimeError(f"PyTorch {torch.__version__} has no torch.compile; 2.0 and newer have it")
            if not hasattr(program, "compile"):
                raise RuntimeError(f"compiled is measured for the transformer alone, not for {task}")
            program.compile()
        self.reset_peak()
        half = HALF.get(precision)
        around = contextlib.nullcontext if half is None else lambda: torch.autocast(self.device.type, half)

        def step():
            with around():
                return program.step()

        def inference():
            # inference mode gives tensors that compiled programs refuse
            with torch.no_grad() if mode == "compiled" else torch.inference_mode(), around():
                return program.inference().float().cpu()

        self.run = step if kind == "step" else inference
        if kind == "step":
            numbers = [number for _ in range(comparedSteps) for number in step()]
        else:
            numbers = digest(inference())
        return {"numbers": numbers, "about": self.about(threads, precision, mode), "kernels": self.kernels()}

    def peak(self):
        cuda = self.device.type == "cuda"
        return {**super().peak(), **({"deviceMB": torch.cuda.max_memory_reserved() / 2**20} if cuda else {})}

    def sgemm(self, sides):
        best = 0.0
        for n in sides:
            a, b = (torch.rand(n, n, device=self.device) - 0.5 for _ in range(2))
            c = torch.empty(n, n, device=self.device)
            for _ in range(7):
                blocks.wait(a)
                start = perf_counter()
                torch.mm(a, b, out=c)
                blocks.wait(a)
                best = max(best, 2 * n**3 / (perf_counter() - start) / 1e9)
        return {"gflops": best}

    def kernels(self):
        """The libraries of products and the instructions that they found."""
        if self.device.type == "cuda":
            return f"cuBLAS, CUDA {torch.version.cuda}"
        text = torch.__config__.show()
        blas = re.search(r"BLAS_INFO=(\w+)", text)
        isa = re.search(r"CPU capability usage: (\w+)", text)
        onednn = ", oneDNN" if torch.backends.mkldnn.is_available() else ""
        return f"{blas.group(1) if blas else 'unknown BLAS'}{onednn}, {isa.group(1) if isa else 'unknown instructions'}"

    def about(self, threads, precision, mode):
        if self.device.type == "cuda":
            where = f"{torch.cuda.get_device_name()}, {precision}"
        else:
            names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GOMP_SPINCOUNT")
            given = " ".join(f"{name}={os.environ[name]}" for name in names if name in os.environ)
            where = f"set_num_threads({threads}), {given}"
        forms = ", ".join(sorted({form.__name__ for form in blocks.chosen.values()}))
        attention = "PyTorch's own" if mode == "compiled" else forms or "plain products"
        return f"PyTorch {torch.__version__} {mode}, {where}; foreach or fused AdamW; attention by {attention}"


def digest(output):
    """Numbers spread evenly over an output, and its root mean square."""
    flat = output.flatten()
    count = min(256, flat.numel())
    samples = [flat[i * flat.numel() // count].item() for i in range(count)]
    return samples + [flat.double().square().mean().sqrt().item()]


serve(TorchWorker())
