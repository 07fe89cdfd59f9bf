"""The reconstruction branch: projection, Fast3R's fusion decoder, DPT heads, and the loss on pointmaps."""

import torch
import torch.nn.functional as F

from blocks import attend, layer_norm, linear

TABLE_ROWS = 1000


def image_table(width, device):
    """Embeddings of image indices: sines, then cosines."""
    half = width // 2
    angle = torch.arange(TABLE_ROWS, dtype=torch.float64).unsqueeze(1) * 10000.0 ** (
        -torch.arange(half, dtype=torch.float64) / half
    )
    return torch.cat([angle.sin(), angle.cos()], 1).float().to(device)


class Pointmaps:
    def __init__(self, weights, config, part):
        self.w, self.config, self.part = weights, config, part
        self.table = image_table(config["hiddenSize"], weights["encoder_to_decoder_proj.weight"].device)

    def block(self, at, x):
        w, heads = self.w, self.config["heads"]
        S, L, D = x.shape
        q, k, v = (
            linear(w, at + ".attn.qkv", layer_norm(w, at + ".norm1", x, 1e-5))
            .view(S, L, 3, heads, D // heads)
            .permute(2, 0, 3, 1, 4)
        )
        x = x + linear(w, at + ".attn.proj", attend(q, k, v, (D // heads) ** -0.5).transpose(1, 2).reshape(S, L, D))
        return x + linear(w, at + ".mlp.fc2", F.gelu(linear(w, at + ".mlp.fc1", layer_norm(w, at + ".norm2", x, 1e-5))))

    def decoder(self, encoded, ids):
        """Encoder tokens [S, V, N, E], then the state after each block, the last one normed."""
        w, at, depth = self.w, "fast3r.decoder", self.config["depth"]
        S, V, N, E = encoded.shape
        x = linear(w, at + ".decoder_embed", encoded) + F.embedding(ids, self.table).unsqueeze(2)
        x = x.reshape(S, V * N, -1)
        states = [encoded.reshape(S, V * N, E)]
        for block in range(depth):
            x = self.part(self.block, f"{at}.dec_blocks.{block}", x)
            states.append(x)
        states[depth] = layer_norm(w, at + ".dec_norm", x, 1e-6)
        return states

    # -- DPT head --

    def conv(self, at, x, stride=1):
        weight = self.w[at + ".weight"]
        return F.conv2d(x, weight, self.w.get(at + ".bias"), stride=stride, padding=(weight.shape[2] - 1) // 2)

    def upconv(self, at, x):
        weight = self.w[at + ".weight"]
        return F.conv_transpose2d(x, weight, self.w[at + ".bias"], stride=weight.shape[2])

    def tap(self, at, state, n, rows):
        """1x1 convolution of a decoder state as a map of planes."""
        weight = self.w[at + ".weight"].flatten(1)
        y = F.linear(state.reshape(n, rows * rows, -1), weight, self.w[at + ".bias"])
        return y.transpose(1, 2).reshape(n, -1, rows, rows)

    def unit(self, at, x):
        return x + self.conv(at + ".conv2", F.relu(self.conv(at + ".conv1", F.relu(x))))

    def fuse(self, at, coarse, fine=None):
        joined = coarse if fine is None else coarse + self.unit(at + ".resConfUnit1", fine)
        refined = self.conv(at + ".out_conv", self.unit(at + ".resConfUnit2", joined))
        return F.interpolate(refined, scale_factor=2, mode="bilinear", align_corners=True)

    def raw(self, at, n, rows, *taps):
        """What the convolutions give: [n, 4, Y, X], three of a point and one of its confidence."""
        side = rows * self.config["patchSize"]
        post, scratch = at + ".act_postprocess", at + ".scratch"
        taps = [self.tap(f"{post}.{level}.0", state, n, rows) for level, state in enumerate(taps)]
        maps = [
            self.upconv(f"{post}.0.1", taps[0]),
            self.upconv(f"{post}.1.1", taps[1]),
            taps[2],
            self.conv(f"{post}.3.1", taps[3], 2),
        ]
        one, two, three, four = (self.conv(f"{scratch}.layer{level + 1}_rn", map_) for level, map_ in enumerate(maps))
        path = self.fuse(scratch + ".refinenet4", four)[:, :, : three.shape[2], : three.shape[3]]
        path = self.fuse(scratch + ".refinenet3", path, three)
        path = self.fuse(scratch + ".refinenet2", path, two)
        path = self.fuse(scratch + ".refinenet1", path, one)
        full = F.interpolate(self.conv(at + ".head.0", path), size=(side, side), mode="bilinear", align_corners=True)
        return self.conv(at + ".head.4", F.relu(self.conv(at + ".head.2", full)))

    def head(self, at, states, S, V, rows):
        """Points [S, V, 3, Y, X] and confidences [S, V, Y, X]."""
        depth, side = len(states) - 1, rows * self.config["patchSize"]
        taps = [states[layer] for layer in (0, depth // 2, 3 * depth // 4, depth)]
        raw = self.part(self.raw, at, S * V, rows, *taps).float()
        xyz, c = raw.split([3, 1], 1)
        length = (xyz.square().sum(1, keepdim=True) + 1e-16).sqrt()
        points = xyz * (torch.expm1(length) / length)
        return points.view(S, V, 3, side, side), c.exp().add(1).view(S, V, side, side)

    # -- the loss --

    @staticmethod
    def normalised(planes, valid, joint):
        axes = (1, 2, 3) if joint else (2, 3)
        length = (planes.square().sum(2) + 1e-20).sqrt()
        mean = ((length * valid).sum(axes, keepdim=True) / valid.sum(axes, keepdim=True).clamp(min=1e-8)).clamp(
            min=1e-8
        )
        return planes / mean.unsqueeze(2)

    def terms(self, points, confidence, truth, valid, joint):
        """Mean over a view's valid pixels of C e - alpha ln C."""
        apart = self.normalised(points, valid, joint) - self.normalised(truth.permute(0, 1, 4, 2, 3), valid, joint)
        e = (apart.square().sum(2) + 1e-20).sqrt()
        weighted = confidence * e - confidence.log() * self.config["alpha"]
        return (weighted * valid).sum((0, 2, 3)) / valid.sum((0, 2, 3)).clamp(min=1)

    def loss(self, tokens, inputs):
        """tokens [S, V, N, D] before any position encoding."""
        S, V, N, _ = tokens.shape
        rows = round(N**0.5)
        states = self.decoder(linear(self.w, "encoder_to_decoder_proj", tokens), inputs["reconImageIds"])
        terms = []
        for name, truth, joint in (
            ("downstream_head", "globalPoints", True),
            ("downstream_head_local", "localPoints", False),
        ):
            points, confidence = self.head(f"fast3r.{name}.dpt", states, S, V, rows)
            terms.append(self.terms(points, confidence, inputs[truth], inputs["validPoints"], joint))
        return torch.cat(terms).mean()
