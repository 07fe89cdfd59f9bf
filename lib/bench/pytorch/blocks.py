"""Layers over a dictionary of weights, named as in the lab's model."""

import time

import torch
import torch.nn.functional as F

# attention by shape: which form was the quicker one
chosen = {}
# the form that is taken whatever the shape; None lets the quicker one be found
forced = None
# attention weights of more elements than this are never made as a whole where PyTorch's own attention is there
MOST_WEIGHTS = 2**29
# what adapters are multiplied with: alpha / rank
adapter_scale = 1.0


def linear(w, name, x):
    """With its adapter, where the weights have one."""
    y = F.linear(x, w[name + ".weight"], w.get(name + ".bias"))
    low = w.get(name + ".lora_A.weight")
    return y if low is None else y + F.linear(F.linear(x, low), w[name + ".lora_B.weight"]) * adapter_scale


def layer_norm(w, name, x, eps):
    return F.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], eps)


def standardise(x, eps=1e-5):
    return F.layer_norm(x, x.shape[-1:], None, None, eps)


def rms_norm(w, name, x, eps):
    if hasattr(F, "rms_norm"):
        return F.rms_norm(x, x.shape[-1:], w[name + ".weight"], eps)
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * w[name + ".weight"]


def unit(x):
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + 1e-12)


def swiglu(gate, up):
    return F.silu(gate) * up


def rotary_table(positions, width, theta, device):
    """Cosines and signed sines [1, L, 1, K], both halves of a head alike."""
    half = width // 2
    angle = positions.double().unsqueeze(1) * theta ** (-2 * torch.arange(half, dtype=torch.float64) / width)
    cos, sin = angle.cos().float(), angle.sin().float()
    return tuple(torch.cat(pair, 1).view(1, -1, 1, width).to(device) for pair in ((cos, cos), (-sin, sin)))


def rotary(x, table):
    """Rotary positions in the half-split form, x [B, L, H, K]."""
    cos, sin = table
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([second, first], -1) * sin


def causal_mask(tokens, device, groups=1):
    """0 and -1e9 [groups * tokens, tokens]: no row sees a later token."""
    later = torch.ones(tokens, tokens, device=device).triu(1).mul(-1e9)
    return later.repeat(groups, 1)


def products(q, k, v, scale, mask):
    """softmax(q k' scale + mask) v with batched products; the mask is added by the product itself."""
    lead, (rows, width), keys = q.shape[:-2], q.shape[-2:], k.shape[-2]
    q, k, v = q.reshape(-1, rows, width), k.reshape(-1, keys, width), v.reshape(-1, keys, width)
    if mask is None:
        scores = torch.bmm(q * scale, k.transpose(1, 2))
    else:
        scores = torch.baddbmm(mask.to(q.dtype), q, k.transpose(1, 2), alpha=scale)
    return torch.bmm(torch.softmax(scores, -1), v).reshape(*lead, rows, width)


def fused(q, k, v, scale, mask):
    """PyTorch's own attention. Masks are causal here; rows of several query heads become heads, their keys repeated."""
    groups = 1 if mask is None else mask.shape[0] // mask.shape[1]
    if groups == 1:
        return F.scaled_dot_product_attention(q, k, v, is_causal=mask is not None, scale=scale)
    B, H, rows, K = q.shape
    heads = q.view(B, H, groups, rows // groups, K).flatten(1, 2)
    k, v = (x.unsqueeze(2).expand(B, H, groups, -1, K).flatten(1, 2) for x in (k, v))
    return F.scaled_dot_product_attention(heads, k, v, is_causal=True, scale=scale).reshape(B, H, rows, K)


def attend(q, k, v, scale, mask=None):
    """
    Attention of q [..., T, K] over k and v [..., S, K]; mask is causal_mask(…) or None. Of the forms that this version
    has, the one that is quicker forward and backward on tensors of this shape.
    """
    if forced is not None:
        return forced(q, k, v, scale, mask)
    key = (q.shape, k.shape, q.dtype, mask is None, torch.is_autocast_enabled())
    if key not in chosen:
        forms = [products] + ([fused] if hasattr(F, "scaled_dot_product_attention") else [])
        if q[..., 0].numel() * k.shape[-2] > MOST_WEIGHTS:
            forms = forms[-1:]
        chosen[key] = forms[0] if len(forms) == 1 else min(forms, key=lambda form: seconds(form, q, k, v, scale, mask))
    return chosen[key](q, k, v, scale, mask)


def seconds(form, q, k, v, scale, mask):
    best = float("inf")
    # a part that is computed again must not count what is saved here
    plain = torch.autograd.graph.saved_tensors_hooks(lambda x: x, lambda x: x)
    with torch.inference_mode(False), torch.enable_grad(), plain:
        for _ in range(4):
            copies = [t.detach().clone().requires_grad_() for t in (q, k, v)]
            wait(q)
            start = time.perf_counter()
            form(*copies, scale, mask).sum().backward()
            wait(q)
            best = min(best, time.perf_counter() - start)
    return best


def wait(x):
    if x.is_cuda:
        torch.cuda.synchronize()
