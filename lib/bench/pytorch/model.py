"""S2-MLLM of any config that a task has, from the same formulas as lib/model and lib/train/losses, named as there."""

import math

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

import blocks
from blocks import attend, causal_mask, layer_norm, linear, rms_norm, rotary, rotary_table, standardise, swiglu, unit
from layers import siglip_layer
from optimizer import AdamW
from pointmaps import Pointmaps


VISION = "model.vision_tower.vision_tower.vision_model"


def phi_waves(width, device):
    """Wave numbers [3, D] and which channels are sines and cosines."""
    m = width // 3
    numbers, sines, cosines = torch.zeros(3, width), torch.zeros(width), torch.zeros(width)
    for c in range(3 * m):
        axis, k = divmod(c, m)
        numbers[axis, c] = 10000 ** (-2 * (k // 2) / m)
        (cosines if k % 2 else sines)[c] = 1
    return numbers.to(device), sines.to(device), cosines.to(device)


class Program:
    def __init__(self, weights, inputs, settings):
        self.w, self.config = weights, settings["config"]
        self.inputs = {name.split(".")[1]: t for name, t in inputs.items()}
        self.rates, self.steps = settings["rates"], 0
        for name in settings["trained"]:
            weights[name].requires_grad_()
        self.optimizer = AdamW(weights, settings["trained"], self.config["training"])
        i, language, vision = self.inputs, self.config["language"], self.config["vision"]
        lora = self.config["lora"]
        blocks.adapter_scale = lora["alpha"] / lora["rank"]
        device = i["text"].device
        self.B, self.V, self.N = i["patchKnown"].shape
        self.Q, self.T = i["text"].shape[1:]
        self.D = language["hiddenSize"]
        self.side = vision["imageSize"] // vision["patchSize"]
        stride = self.config["projector"]["poolStride"]
        bilinear = self.config["projector"]["pooling"] == "bilinear"
        self.pooled = math.ceil(self.side / stride) if bilinear else self.side // stride
        self.P = self.V * self.pooled * (self.pooled + 1)
        self.groups = language["heads"] // language["kvHeads"]
        self.waves = phi_waves(self.D, device)
        self.prefix_mask = causal_mask(self.P, device, self.groups)
        self.own_mask = causal_mask(self.T, device, self.groups)
        positions = torch.cat([torch.arange(self.P), self.P + torch.arange(self.T).repeat(self.Q)])
        self.table = rotary_table(positions, self.D // language["heads"], language["ropeTheta"], device)
        self.pointmaps = Pointmaps(weights, self.config["reconstruction"], self.part)

    def part(self, run, *given):
        """A part of the model that keeps its inputs only, where the config has it computed again."""
        again = self.config["training"].get("recompute", False) and torch.is_grad_enabled()
        return checkpoint(run, *given, use_reentrant=False) if again else run(*given)

    # -- the scene --

    def vision_layer(self, at, x):
        return siglip_layer(self.w, at, x, self.config["vision"]["heads"], self.config["vision"]["layerNormEps"])

    def features(self):
        """What the vision tower sees: given where it is frozen, else of pixels [B, V, Y, X, 3]."""
        w, at, i, vision = self.w, VISION + ".embeddings", self.inputs, self.config["vision"]
        if "features" in i:
            return i["features"]
        planes = i["pixels"].flatten(0, 1).permute(0, 3, 1, 2)
        filters, bias = (w[f"{at}.patch_embedding.{name}"] for name in ("weight", "bias"))
        x = F.conv2d(planes, filters, bias, stride=vision["patchSize"]).flatten(2).transpose(1, 2)
        x = x + w[at + ".position_embedding.weight"]
        for layer in range(vision["layers"]):
            x = self.part(self.vision_layer, f"{VISION}.encoder.layers.{layer}.", x)
        return x.view(self.B, self.V, self.N, -1)

    def group_attention(self, at, x):
        """Self-attention inside groups, [G, L, C]."""
        (G, L, C), heads = x.shape, self.config["structure"]["heads"]
        q, k, v = linear(self.w, at + ".qkv", x).view(G, L, 3, heads, C // heads).permute(2, 0, 3, 1, 4)
        return linear(self.w, at + ".proj", attend(q, k, v, (C // heads) ** -0.5).transpose(1, 2).reshape(G, L, C))

    def structure(self, features):
        w, at, eps = self.w, "st_attention_block", self.config["structure"]["layerNormEps"]
        B, V, N, C = features.shape
        h = layer_norm(w, at + ".temporal_norm1", features.transpose(1, 2), eps).reshape(B * N, V, C)
        mixed = self.group_attention(at + ".temporal_attn", h).view(B, N, V, C).transpose(1, 2)
        x = features + linear(w, at + ".temporal_fc", mixed)
        first = features[:, :1, :1].expand(B, V, 1, C)
        groups = torch.cat([first, x], 2).view(B * V, N + 1, C)
        x = (
            x
            + self.group_attention(at + ".attn", layer_norm(w, at + ".norm1", groups, eps)).view(B, V, N + 1, C)[
                :, :, 1:
            ]
        )
        return x + linear(w, at + ".mlp.fc2", F.gelu(linear(w, at + ".mlp.fc1", layer_norm(w, at + ".norm2", x, eps))))

    def phi(self, voxels):
        numbers, sines, cosines = self.waves
        # angles need all their digits
        with torch.autocast(voxels.device.type, enabled=False):
            angle = voxels @ numbers
            return angle.sin() * sines + angle.cos() * cosines

    def project(self, features):
        hidden = F.gelu(linear(self.w, "model.mm_projector.0", features))
        visual = linear(self.w, "model.mm_projector.2", hidden)
        return standardise(visual) if self.config["projector"]["outputNorm"] == "layer" else visual

    def pool(self, grid):
        """[n, side, side, D] to [n, m, m, D]."""
        n, side, _, D = grid.shape
        m = self.pooled
        if self.config["projector"]["pooling"] == "average":
            return grid.view(n, m, side // m, m, side // m, D).mean((2, 4))
        planes = F.interpolate(grid.permute(0, 3, 1, 2), size=(m, m), mode="bilinear", align_corners=False)
        return planes.permute(0, 2, 3, 1)

    def scene(self):
        """Image tokens, object features, box positions, tokens before any position."""
        w, i = self.w, self.inputs
        B, V, N, D, m = self.B, self.V, self.N, self.D, self.pooled
        visual = self.part(self.project, self.part(self.structure, self.features()))
        patches = visual + self.phi(i["patchVoxels"]) * i["patchKnown"].unsqueeze(-1)
        pooled = self.pool(patches.view(B * V, self.side, self.side, D))
        rays = F.relu(layer_norm(w, "mlp_pe.1", linear(w, "mlp_pe.0", i["rays"]), 1e-5))
        pooled = pooled + linear(w, "mlp_pe.3", rays).view(B * V, m, m, D) * self.config["positions"]["rayScale"]
        boxes = self.phi(i["objectVoxels"])
        objects = torch.bmm(i["objectPatches"].to(patches.dtype), patches.view(B, V * N, D)) + boxes
        newline = w["model.image_newline"].expand(B * V, m, 1, D)
        image = torch.cat([pooled, newline.to(pooled.dtype)], 2).view(B, self.P, D)
        return image, objects, boxes, visual

    # -- the language model --

    def sentence_attention(self, q, kp, vp, ko, vo, scale):
        """
        Rows of sentences over the shared prefix and their own sentence, one softmax over both: q [B, H, Q, R, K],
        prefix keys [B, H, P, K], own keys [B, H, Q, T, K]. Returns the mix and the weights.
        """
        B, H, Q, R, K = q.shape
        q = q * scale
        cross = (q.reshape(B, H, Q * R, K) @ kp.transpose(-1, -2)).view(B, H, Q, R, self.P)
        own = q @ ko.transpose(-1, -2) + self.own_mask
        weights = torch.softmax(torch.cat([cross, own], -1), -1)
        a, b = weights.split([self.P, self.T], -1)
        return (a.reshape(B, H, Q * R, self.P) @ vp).view(B, H, Q, R, K) + b @ vo, weights

    def attention(self, at, h, want_weights):
        w, (B, Q, T, P, G) = self.w, (self.B, self.Q, self.T, self.P, self.groups)
        H, K = self.config["language"]["kvHeads"], self.D // self.config["language"]["heads"]
        L, scale = P + Q * T, K**-0.5
        q = rotary(linear(w, at + ".q_proj", h).view(B, L, H * G, K), self.table)
        k = rotary(linear(w, at + ".k_proj", h).view(B, L, H, K), self.table)
        v = linear(w, at + ".v_proj", h).view(B, L, H, K)
        qp, kp, vp = (
            q[:, :P].reshape(B, P, H, G, K).permute(0, 2, 3, 1, 4).reshape(B, H, G * P, K),
            k[:, :P].transpose(1, 2),
            v[:, :P].transpose(1, 2),
        )
        prefix = (
            attend(qp, kp, vp, scale, self.prefix_mask)
            .view(B, H, G, P, K)
            .permute(0, 3, 1, 2, 4)
            .reshape(B, P, H * G * K)
        )
        qt = q[:, P:].reshape(B, Q, T, H, G, K).permute(0, 3, 1, 4, 2, 5).reshape(B, H, Q, G * T, K)
        ko, vo = (x[:, P:].reshape(B, Q, T, H, K).permute(0, 3, 1, 2, 4) for x in (k, v))
        mixed, weights = self.sentence_attention(qt, kp, vp, ko, vo, scale)
        text = mixed.view(B, H, Q, G, T, K).permute(0, 2, 4, 1, 3, 5).reshape(B, Q * T, H * G * K)
        seen = weights.view(B, H, Q, G, T, P + T).mean((1, 3)).reshape(-1, P + T) if want_weights else None
        return torch.cat([prefix, text], 1).view(B * L, H * G * K), seen

    def finish(self, at, x, mixed):
        """The rest of a layer, each row by itself."""
        w = self.w
        x = x + linear(w, at + ".self_attn.o_proj", mixed)
        h = rms_norm(w, at + ".post_attention_layernorm", x, self.config["language"]["rmsNormEps"])
        return x + linear(
            w, at + ".mlp.down_proj", swiglu(linear(w, at + ".mlp.gate_proj", h), linear(w, at + ".mlp.up_proj", h))
        )

    def layer(self, layer, rows, watched, x):
        """A decoder layer, then of these rows alone, and its attention where it is watched."""
        at = f"model.layers.{layer}"
        h = rms_norm(self.w, at + ".input_layernorm", x, self.config["language"]["rmsNormEps"])
        mixed, weights = self.attention(at + ".self_attn", h, watched)
        if rows is not None:
            x, mixed = x.index_select(0, rows), mixed.index_select(0, rows)
        return self.finish(at, x, mixed), weights

    def language(self, image, rows, training):
        """States after the final norm at `rows`, the stream after the anchor layer, and the attention before it."""
        w, config = self.w, self.config["language"]
        words = F.embedding(self.inputs["text"].view(self.B, -1), w["model.embed_tokens.weight"])
        x = torch.cat([image, words.to(image.dtype)], 1).view(-1, self.D)
        anchor_layer = min(self.config["grounding"]["anchorLayer"], config["layers"])
        watched = training and self.config["lossWeights"]["anchorAttention"] > 0
        stream = seen = None
        for layer in range(config["layers"]):
            # behind its attention the last layer treats each row by itself: only these rows pay for it
            kept = rows if layer == config["layers"] - 1 else None
            x, weights = self.part(self.layer, layer, kept, watched and layer == anchor_layer - 1, x)
            seen = weights if weights is not None else seen
            if layer + 1 == anchor_layer:
                stream = x
        return rms_norm(w, "model.norm", x, config["rmsNormEps"]), stream, seen

    # -- grounding --

    def vector(self, head, x):
        w, shared = self.w, "ground_head_skip.weight" in self.w
        plain = standardise(x) if shared else x
        inner = layer_norm(w, head + ".2", F.relu(linear(w, head + ".0", plain)), 1e-5)
        out = linear(w, head + ".3", inner)
        return unit((linear(w, "ground_head_skip", plain) + out if shared else out).float())

    def scores(self, objects, queries):
        none = self.w["ground_head_zero_target"].expand(self.B, 1, self.D)
        return torch.bmm(
            self.vector("ground_head_query", queries),
            self.vector("ground_head_obj", torch.cat([objects, none.to(objects.dtype)], 1)).transpose(1, 2),
        )

    # -- losses --

    @staticmethod
    def share_loss(logits, positives, candidates, weights):
        """Weighted mean of -log(sum over positives / sum over candidates)."""
        every = logits + (candidates - 1) * 1e9
        each = torch.logsumexp(every, -1) - torch.logsumexp(every + (positives - 1) * 1e9, -1)
        return (each * weights).sum() / weights.sum().clamp(min=1e-8)

    def ground_loss(self, scores):
        i = self.inputs
        positives = i["positives"].clone()
        positives[..., -1] += 1 - positives.amax(-1)
        candidates = F.pad(i["objectMask"], (0, 1), value=1.0).unsqueeze(1)
        return self.share_loss(
            scores / self.config["grounding"]["temperature"], positives, candidates, i["sentenceMask"]
        )

    def language_loss(self, states):
        i = self.inputs
        each = F.cross_entropy(linear(self.w, "lm_head", states).float(), i["labelIds"], reduction="none")
        return (each * i["labelWeights"]).sum()

    def anchor_loss(self, stream, boxes):
        i, (B, O) = self.inputs, boxes.shape[:2]
        nouns = self.vector("ground_head_query", stream.index_select(0, i["anchorRows"]))
        scores = nouns @ self.vector("ground_head_obj", boxes.view(B * O, self.D)).t()
        own = F.one_hot(i["anchorScenes"], B).to(scores.dtype).repeat_interleave(O, 1) * i["objectMask"].view(1, B * O)
        right = F.one_hot(i["anchorObjects"], B * O).to(scores.dtype)
        return self.share_loss(scores / self.config["grounding"]["temperature"], right, own, i["anchorWeights"])

    def anchor_attention_loss(self, seen):
        i = self.inputs
        rows = seen.index_select(0, i["anchorTextRows"]).float()
        share = (rows[:, : self.P] * i["anchorTokens"]).sum(1) + 1e-6
        weights = i["anchorWeights"] * i["anchorTokens"].amax(1)
        return (-share.log() * weights).sum() / weights.sum().clamp(min=1e-8)

    # -- what is measured --

    def inference(self):
        image, objects, _, _ = self.scene()
        states, _, _ = self.language(image, self.inputs["groundRows"], False)
        return self.scores(objects, states.view(self.B, self.Q, self.D))

    def losses(self):
        i, weights = self.inputs, self.config["lossWeights"]
        image, objects, boxes, visual = self.scene()
        states, stream, seen = self.language(image, torch.cat([i["groundRows"], i["labelRows"]]), True)
        queries, labelled = states.split([self.B * self.Q, i["labelRows"].shape[0]])
        scores = self.scores(objects, queries.view(self.B, self.Q, self.D))
        chosen = (
            visual.view(self.B * self.V, self.N * self.D)
            .index_select(0, i["reconRows"].flatten())
            .view(*i["reconRows"].shape, self.N, self.D)
        )
        parts = {
            "ground": self.ground_loss(scores),
            "language": self.language_loss(labelled),
            "recon": self.pointmaps.loss(chosen, i),
            "anchor": self.anchor_loss(stream, boxes) if weights["anchor"] > 0 else scores.new_zeros(()),
            "anchorAttention": scores.new_zeros(()) if seen is None else self.anchor_attention_loss(seen),
        }
        hits = i["positives"].gather(-1, scores.detach().argmax(-1, keepdim=True)).flatten()
        return parts, hits

    def step(self):
        weights = self.config["lossWeights"]
        parts, hits = self.losses()
        total = sum(part * weights[name] for name, part in parts.items())
        total.backward()
        norm = self.optimizer.step(self.rates[min(self.steps, len(self.rates) - 1)])
        self.steps += 1
        numbers = torch.stack([total.detach(), norm, *(part.detach() for part in parts.values())])
        return torch.cat([numbers, hits]).tolist()[:7]
