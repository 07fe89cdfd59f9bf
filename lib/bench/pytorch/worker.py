"""
PyTorch as a worker of `s2mllm bench`: reads requests on stdin, answers on stdout, one JSON object a line.

Weights, inputs and settings come from files that the lab wrote; lib/bench/messages.ts describes the requests.
"""

import contextlib
import json
import os
import sys
import traceback
from time import perf_counter

import torch

import blocks
import layers
import nano
import transformer
from tensor_file import load

TASKS = {
    "nano": nano.Program,
    "transformer": transformer.Program,
    "qwen2-layer": layers.Qwen2,
    "siglip-layer": layers.Siglip,
}


class Worker:
    def prepare(self, task, kind, engine, precision, threads, folder, comparedSteps, **_):
        if engine == "torch-cuda" and not torch.cuda.is_available():
            raise RuntimeError("torch.cuda is not available: this PyTorch has no CUDA, or the machine no NVIDIA GPU")
        torch.set_num_threads(threads)
        self.device = torch.device("cuda" if engine == "torch-cuda" else "cpu")
        with open(os.path.join(folder, "settings.json")) as file:
            settings = json.load(file)
        weights, inputs = (
            load(os.path.join(folder, name + ".safetensors"), self.device) for name in ("weights", "inputs")
        )
        program = TASKS[task](weights, inputs, settings)
        self.reset_peak()

        half = precision == "fp16"
        cast = (lambda: torch.autocast("cuda", torch.float16)) if half else contextlib.nullcontext

        def step():
            with cast():
                return program.step()

        def inference():
            with torch.inference_mode(), cast():
                return program.inference().float().cpu()

        self.run = step if kind == "step" else inference
        if kind == "step":
            numbers = [number for _ in range(comparedSteps) for number in step()]
        else:
            numbers = digest(inference())
        return {"numbers": numbers, "about": self.about(threads, half)}

    def time(self, steps):
        ms = []
        for _ in range(steps):
            start = perf_counter()
            self.run()
            ms.append((perf_counter() - start) * 1000)
        return {"ms": ms}

    def peak(self):
        try:
            with open("/proc/self/status") as file:
                host = next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))
        except OSError:
            import resource

            host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
                1024 * 1024 if sys.platform == "darwin" else 1024
            )
        cuda = self.device.type == "cuda"
        return {"MB": host, **({"deviceMB": torch.cuda.max_memory_reserved() / 2**20} if cuda else {})}

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

    def reset_peak(self):
        try:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
        except OSError:
            pass  # not Linux: the peak since the process started

    def about(self, threads, half):
        if self.device.type == "cuda":
            where = torch.cuda.get_device_name() + (
                ", half precision by autocast"
                if half
                else ", float32, matmul TF32 " + ("on" if torch.backends.cuda.matmul.allow_tf32 else "off")
            )
        else:
            names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GOMP_SPINCOUNT")
            where = f"set_num_threads({threads}), " + " ".join(
                f"{name}={os.environ[name]}" for name in names if name in os.environ
            )
        forms = ", ".join(sorted({form.__name__ for form in blocks.chosen.values()}))
        attention = forms or "plain products"
        return f"PyTorch {torch.__version__} eager, {where}; foreach or fused AdamW; attention by {attention}"


def digest(output):
    """Numbers spread evenly over an output, and its root mean square."""
    flat = output.flatten()
    count = min(256, flat.numel())
    samples = [flat[i * flat.numel() // count].item() for i in range(count)]
    return samples + [flat.double().square().mean().sqrt().item()]


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else prints goes to stderr
    worker = Worker()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"ok": getattr(worker, request.pop("do"))(**request)}
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


main()
