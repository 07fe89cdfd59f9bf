"""AdamW with clipping by the global norm, by PyTorch's quickest means."""

import torch


class AdamW:
    """
    weights: name -> parameter; rates: name -> factor on the learning rate, of those that train; training: the config.
    Matrices decay, single vectors do not.
    """

    def __init__(self, weights, rates, training):
        self.parameters = [weights[name] for name in rates]
        self.clip = training["clipNorm"]
        groups = {}
        for name, factor in rates.items():
            decays = training["weightDecay"] if weights[name].dim() > 1 else 0.0
            groups.setdefault((factor, decays), []).append(weights[name])
        settings = {"lr": 1.0, "betas": (training["beta1"], training["beta2"]), "eps": training["epsilon"]}
        lists = [
            {"params": list_, "weight_decay": decay, "factor": factor} for (factor, decay), list_ in groups.items()
        ]
        self.optimizer = quickest(lists, settings)

    def step(self, rate):
        """Clips the gradients and updates the parameters. Returns the norm before clipping."""
        grads = [p.grad for p in self.parameters]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
        if norm.is_cuda:
            torch._foreach_mul_(grads, (self.clip / norm).clamp(max=1.0))
        elif norm.item() > self.clip:
            torch._foreach_mul_(grads, self.clip / norm.item())
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm


def quickest(lists, settings):
    """One kernel for all parameters where this version has it on their device, else one operation for lists of them."""
    try:
        return torch.optim.AdamW(lists, fused=True, **settings)
    except (TypeError, RuntimeError):
        return torch.optim.AdamW(lists, foreach=True, **settings)
