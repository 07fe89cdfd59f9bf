"""Single layers at true width: Qwen2's decoder layer with the final norm, SigLIP's encoder layer."""

import torch
import torch.nn.functional as F

from blocks import attend, causal_mask, layer_norm, linear, rms_norm, rotary, rotary_table, swiglu


class Layer:
    """Forward and backward; the loss is the mean square of the product with random numbers."""

    def __init__(self, weights, inputs, settings):
        self.w, self.s = weights, settings
        self.x, self.slope = inputs["x"].requires_grad_(), inputs["slope"]
        self.leaves = [*weights.values(), self.x]
        for weight in self.leaves:
            weight.requires_grad_()
        self.first = True

    def step(self):
        for leaf in self.leaves:
            leaf.grad = None
        loss = (self.run(self.x) * self.slope).square().mean()
        loss.backward()
        if not self.first:
            return [loss.item()]
        self.first = False
        norms = torch.stack([leaf.grad.float().square().sum() for leaf in self.leaves])
        return [loss.item(), norms.sum().sqrt().item(), norms[-1].sqrt().item()]

    def inference(self):
        return self.run(self.x)


class Qwen2(Layer):
    def __init__(self, weights, inputs, settings):
        super().__init__(weights, inputs, settings)
        tokens, device = settings["tokens"], self.x.device
        self.groups = settings["heads"] // settings["kvHeads"]
        self.mask = causal_mask(tokens, device, self.groups)
        self.table = rotary_table(
            torch.arange(tokens), settings["hiddenSize"] // settings["heads"], settings["ropeTheta"], device
        )

    def run(self, x):
        w, at, eps = self.w, "layers.0", self.s["rmsNormEps"]
        B, T, D = x.shape
        H, G, K = self.s["kvHeads"], self.groups, D // self.s["heads"]
        h = rms_norm(w, at + ".input_layernorm", x, eps)
        q = rotary(linear(w, at + ".self_attn.q_proj", h).view(B, T, H * G, K), self.table)
        k = rotary(linear(w, at + ".self_attn.k_proj", h).view(B, T, H, K), self.table).transpose(1, 2)
        v = linear(w, at + ".self_attn.v_proj", h).view(B, T, H, K).transpose(1, 2)
        # query heads of one key head are rows of one product, so that keys are never repeated
        q = q.view(B, T, H, G, K).permute(0, 2, 3, 1, 4).reshape(B, H, G * T, K)
        mixed = attend(q, k, v, K**-0.5, self.mask).view(B, H, G, T, K).permute(0, 3, 1, 2, 4).reshape(B, T, D)
        x = x + linear(w, at + ".self_attn.o_proj", mixed)
        h = rms_norm(w, at + ".post_attention_layernorm", x, eps)
        x = x + linear(
            w, at + ".mlp.down_proj", swiglu(linear(w, at + ".mlp.gate_proj", h), linear(w, at + ".mlp.up_proj", h))
        )
        return rms_norm(w, "norm", x, eps)


def siglip_layer(w, at, x, heads, eps):
    """One encoder layer, `at` in front of its weights' names."""
    B, T, C = x.shape
    h = layer_norm(w, at + "layer_norm1", x, eps)
    q, k, v = (
        linear(w, f"{at}self_attn.{name}_proj", h).view(B, T, heads, C // heads).transpose(1, 2) for name in "qkv"
    )
    mixed = attend(q, k, v, (C // heads) ** -0.5).transpose(1, 2).reshape(B, T, C)
    x = x + linear(w, at + "self_attn.out_proj", mixed)
    inner = F.gelu(linear(w, at + "mlp.fc1", layer_norm(w, at + "layer_norm2", x, eps)), approximate="tanh")
    return x + linear(w, at + "mlp.fc2", inner)


class Siglip(Layer):
    def run(self, x):
        return siglip_layer(self.w, "", x, self.s["heads"], self.s["layerNormEps"])
