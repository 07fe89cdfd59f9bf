"""The causal transformer of lib/bench/tasks/transformer.ts."""

import torch
import torch.nn.functional as F

import blocks
from blocks import attend, causal_mask, layer_norm, linear
from optimizer import AdamW


class Program:
    def __init__(self, weights, inputs, settings):
        self.w, self.s = weights, settings
        self.ids, self.labels = inputs["ids"], inputs["labels"]
        self.mask = causal_mask(self.ids.shape[1], self.ids.device)
        for weight in weights.values():
            weight.requires_grad_()
        self.optimizer = AdamW(weights, {name: 1.0 for name in weights}, settings["training"])

    def layer(self, at, x):
        w, eps, heads = self.w, self.s["eps"], self.s["heads"]
        B, T, D = x.shape
        K = D // heads
        q, k, v = (
            linear(w, at + ".qkv", layer_norm(w, at + ".norm1", x, eps)).view(B, T, 3, heads, K).permute(2, 0, 3, 1, 4)
        )
        mixed = attend(q, k, v, K**-0.5, self.mask)
        x = x + linear(w, at + ".proj", mixed.transpose(1, 2).reshape(B, T, D))
        return x + linear(w, at + ".fc2", F.gelu(linear(w, at + ".fc1", layer_norm(w, at + ".norm2", x, eps))))

    def compile(self):
        """Lets PyTorch compile what is run; it cannot look into the choice of attention by time."""
        blocks.forced = blocks.fused
        self.loss, self.inference = torch.compile(self.loss), torch.compile(self.inference)

    def logits(self):
        w = self.w
        x = F.embedding(self.ids, w["tokens.weight"]) + w["positions.weight"]
        for i in range(self.s["layers"]):
            x = self.layer(f"layers.{i}", x)
        return linear(w, "head", layer_norm(w, "norm", x, self.s["eps"])).flatten(0, 1)

    def loss(self):
        return F.cross_entropy(self.logits().float(), self.labels)

    def backward(self):
        loss = self.loss()
        loss.backward()
        return loss

    def step(self):
        loss = self.backward()
        norm = self.optimizer.step(self.s["training"]["learningRate"])
        return [loss.item(), norm.item()]

    def inference(self):
        return self.logits()
