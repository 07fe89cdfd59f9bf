"""JAX as a worker of `s2mllm bench`, for the transformer: the same formulas, one jitted step with donated state."""

import json
import os

import numpy as np

from serve import Worker, serve
from tensor_file import entries


def read(path):
    return {
        name: np.frombuffer(content, {"F32": np.float32, "I32": np.int32}[dtype]).reshape(shape)
        for name, dtype, shape, content in entries(path)
    }


class JaxWorker(Worker):
    def prepare(self, task, kind, threads, folder, comparedSteps, **_):
        if task != "transformer":
            raise RuntimeError(f"JAX is measured for the transformer alone, not for {task}")
        # XLA's pool has a thread for each core that the process may use
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
        import jax

        with open(os.path.join(folder, "settings.json")) as file:
            settings = json.load(file)
        weights, inputs = (read(os.path.join(folder, name + ".safetensors")) for name in ("weights", "inputs"))
        program = Transformer(weights, inputs, settings)
        self.reset_peak()
        self.run = program.step if kind == "step" else program.inference
        if kind == "step":
            numbers = [number for _ in range(comparedSteps) for number in program.step()]
        else:
            flat = program.inference().ravel()
            samples = [float(flat[i * flat.size // 256]) for i in range(256)] if flat.size >= 256 else flat.tolist()
            numbers = samples + [float(np.sqrt(np.mean(flat.astype(np.float64) ** 2)))]
        about = f"JAX {jax.__version__} jit, donated state, bound to {threads} cores"
        return {"numbers": numbers, "about": about, "kernels": "XLA, Eigen and oneDNN"}


class Transformer:
    """The causal transformer of lib/bench/tasks/transformer.ts with AdamW and clipping."""

    def __init__(self, weights, inputs, settings):
        import jax

        self.s = settings
        self.ids, self.labels = (jax.numpy.asarray(inputs[name]) for name in ("ids", "labels"))
        self.w = {name: jax.numpy.asarray(value) for name, value in weights.items()}
        self.m = {name: jax.numpy.zeros_like(value) for name, value in self.w.items()}
        self.v = {name: jax.numpy.zeros_like(value) for name, value in self.w.items()}
        self.steps = 0
        self.update = jax.jit(self.updated, donate_argnums=(0, 1, 2))
        self.forward = jax.jit(self.logits)

    def norm(self, w, at, x):
        import jax.numpy as jnp

        mean = x.mean(-1, keepdims=True)
        spread = jnp.square(x - mean).mean(-1, keepdims=True)
        return (x - mean) / jnp.sqrt(spread + self.s["eps"]) * w[at + ".weight"] + w[at + ".bias"]

    def logits(self, w):
        import jax
        import jax.numpy as jnp

        def linear(at, x):
            y = x @ w[at + ".weight"].T
            return y + w[at + ".bias"] if at + ".bias" in w else y

        heads = self.s["heads"]
        x = w["tokens.weight"][self.ids] + w["positions.weight"]
        B, T, D = x.shape
        K = D // heads
        seen = jnp.tril(jnp.ones((T, T), bool))
        for i in range(self.s["layers"]):
            at = f"layers.{i}"
            qkv = linear(at + ".qkv", self.norm(w, at + ".norm1", x)).reshape(B, T, 3, heads, K)
            q, k, v = qkv.transpose(2, 0, 3, 1, 4)
            scores = jnp.where(seen, (q * K**-0.5) @ k.swapaxes(-1, -2), -1e9)
            mixed = (jax.nn.softmax(scores) @ v).transpose(0, 2, 1, 3).reshape(B, T, D)
            x = x + linear(at + ".proj", mixed)
            inner = jax.nn.gelu(linear(at + ".fc1", self.norm(w, at + ".norm2", x)), approximate=False)
            x = x + linear(at + ".fc2", inner)
        return linear("head", self.norm(w, "norm", x)).reshape(B * T, -1)

    def loss(self, w):
        import jax
        import jax.numpy as jnp

        each = jax.nn.log_softmax(self.logits(w))
        return -jnp.take_along_axis(each, self.labels[:, None], 1).mean()

    def updated(self, w, m, v, step):
        import jax
        import jax.numpy as jnp

        t = self.s["training"]
        loss, grads = jax.value_and_grad(self.loss)(w)
        norm = jnp.sqrt(sum(jnp.square(g).sum() for g in grads.values()))
        scale = jnp.minimum(1.0, t["clipNorm"] / norm)
        new = ({}, {}, {})
        for name, g in grads.items():
            g = g * scale
            first = t["beta1"] * m[name] + (1 - t["beta1"]) * g
            second = t["beta2"] * v[name] + (1 - t["beta2"]) * jnp.square(g)
            move = first / (1 - t["beta1"] ** step)
            spread = jnp.sqrt(second / (1 - t["beta2"] ** step)) + t["epsilon"]
            decay = t["weightDecay"] if w[name].ndim > 1 else 0.0
            kept = w[name] * (1 - t["learningRate"] * decay)
            new[0][name], new[1][name], new[2][name] = kept - t["learningRate"] * move / spread, first, second
        return *new, loss, norm

    def step(self):
        self.steps += 1
        self.w, self.m, self.v, loss, norm = self.update(self.w, self.m, self.v, float(self.steps))
        return [float(loss), float(norm)]

    def inference(self):
        return np.asarray(self.forward(self.w))


serve(JaxWorker())
