"""Chapter 06: answers that pass, and slips with words of the hint (see test_exercises.py)."""

import torch
from torch import nn

RIGHT, SLIPS, OPEN = {}, {}, {}


def unit(channels):
    return nn.Sequential(
        nn.BatchNorm2d(channels, eps=1e-4),
        nn.ReLU(),
        nn.Conv2d(channels, 8, kernel_size=3, padding=1, bias=False),
    )


def block_class(forward, inputs=lambda channels, i: channels + 8 * i):
    class NbBlock(nn.Module):
        def __init__(self, channels, units):
            super().__init__()
            self.units = nn.ModuleList(unit(inputs(channels, i)) for i in range(units))

    NbBlock.forward = forward
    return NbBlock


def growing(self, x):
    for u in self.units:
        x = torch.cat([x, u(x)], dim=1)
    return x


def listed(self, x):
    made = [x]
    for u in self.units:
        made.append(u(torch.cat(made, 1)))
    return torch.cat(made, 1)


def buffered(self, x):
    n, channels, h, w = x.shape
    out = x.new_zeros(n, channels + 8 * len(self.units), h, w)
    out[:, :channels] = x
    for i, u in enumerate(self.units):
        seen = channels + 8 * i
        out[:, seen : seen + 8] = u(out[:, :seen])
    return out


def newest_first(self, x):
    for u in self.units:
        x = torch.cat((u(x), x), dim=1)
    return x


def only_new(self, x):
    made = []
    for u in self.units:
        made.append(u(torch.cat([x, *made], dim=1)))
    return torch.cat(made, dim=1)


def only_last(self, x):
    for u in self.units:
        y = u(x)
    return torch.cat([x, y], dim=1)


def chain(self, x):
    y = x
    for u in self.units:
        y = u(y)
        x = torch.cat([x, y], dim=1)
    return x


def stale(self, x):
    made = [u(x) for u in self.units]
    return torch.cat([x, *made], dim=1)


def sequential(self, x):
    for u in self.units:
        x = u(x)
    return x


def activated(self, x):
    return torch.relu(growing(self, x))


def along_the_batch(self, x):
    for u in self.units:
        x = torch.cat([x, u(x)])
    return x


def unfinished(self, x):
    return None  # your code


RIGHT["6.1"] = [*(block_class(f) for f in (growing, listed, buffered))]

SLIPS["6.1"] = [
    (block_class(only_new), "input belongs into the output"),
    (block_class(only_last, lambda c, i: c), "every earlier output"),
    (block_class(chain), "unit i must see"),
    (block_class(sequential), "unit i must see"),
    (block_class(chain, lambda c, i: c if i == 0 else 8), "does not see everything"),
    (block_class(stale, lambda c, i: c), "does not see everything"),
    (block_class(stale), "unit i must see"),
    (block_class(activated), "unchanged"),
    (block_class(along_the_batch), "unless told dim=1"),
    (block_class(newest_first), "another order"),
    (block_class(lambda self, x: torch.cat([x, x], 0)), "dim=1"),
    (nn.Linear(2, 2), "expected a class"),
]


def by_torch_modules(channels, units, growth):
    modules = [
        (nn.BatchNorm2d(c), nn.Conv2d(c, growth, 3, bias=False))
        for c in range(channels, channels + growth * units, growth)
    ]
    return sum(p.numel() for pair in modules for m in pair for p in m.parameters())


def closed(channels, units, growth):
    return (2 + 9 * growth) * (units * channels + growth * units * (units - 1) // 2)


RIGHT["6.3"] = [by_torch_modules, closed]


def seen(channels, units, growth):
    return [channels + growth * i for i in range(units)]


SLIPS["6.3"] = [
    (lambda c, u, g: sum(9 * g * s for s in seen(c, u, g)), "batch norm has values"),
    (lambda c, u, g: sum(s * (2 + 9 * g) + g for s in seen(c, u, g)), "no bias"),
    (lambda c, u, g: u * c * (2 + 9 * g), "input grows"),
    (lambda c, u, g: (c + (u - 1) * g) * (2 + 9 * g), "NbNet-A"),
    (lambda c, u, g: sum(s * (4 + 9 * g) for s in seen(c, u, g)), "running mean"),
    (lambda c, u, g: sum(s * (2 + g) for s in seen(c, u, g)), "9 values"),
    (lambda c, u, g: sum(s * (1 + 9 * g) for s in seen(c, u, g)), "two values"),
    (lambda c, u, g: sum(s * 9 * g + 2 * g for s in seen(c, u, g)), "comes first"),
    (lambda c, u, g: sum((s + g) * (2 + 9 * g) for s in seen(c, u, g)), "unit 0 reads"),
    (lambda c, u, g: sum(s * (2 + 9 * g) for s in seen(c, u, 8)), "use `growth`, not 8"),
    (lambda c, u, g: sum(s * 74 for s in seen(c, u, g)), "units, growth 4: expected 3,800"),
    (lambda c, u, g: 875_521, "expected 899,840, got 875,521: count one unit first"),
]


def chain_inputs(channels, units):
    return [channels] + [8] * (units - 1)


def chain_class(forward, inputs=chain_inputs):
    class NbBlockA(nn.Module):
        def __init__(self, channels, units):
            super().__init__()
            self.units = nn.ModuleList(unit(c) for c in inputs(channels, units))

    NbBlockA.forward = forward
    return NbBlockA


def chain_listed(self, x):
    pieces = [x]
    for u in self.units:
        pieces.append(u(pieces[-1]))
    return torch.cat(pieces, dim=1)


def chain_overwriting_x(self, x):
    made = []
    for u in self.units:
        x = u(x)
        made.append(x)
    return torch.cat([x, *made], dim=1)


def chain_without_input(self, x):
    pieces = []
    for u in self.units:
        x = u(x)
        pieces.append(x)
    return torch.cat(pieces, dim=1)


RIGHT["6.2"] = [
    (inputs, chain_class(forward))
    for forward in (chain, chain_listed)
    for inputs in (
        chain_inputs,
        lambda c, u: torch.tensor([c if i == 0 else 8 for i in range(u)]),
        lambda c, u: tuple(8 if i else c for i in range(u)),
    )
]

SLIPS["6.2"] = [
    ((lambda c, u: [c + 8 * i for i in range(u)], chain_class(chain)), "that is NbNet-B"),
    ((lambda c, u: [8] * u, chain_class(chain)), "nobody before it"),
    ((lambda c, u: [c] * u, chain_class(chain)), "only unit 0"),
    ((lambda c, u: [c] + [8] * u, chain_class(chain)), "one number for each"),
    ((lambda c, u: 8, chain_class(chain)), "a list of numbers"),
    ((chain_inputs, chain_class(growing)), "unit 0 reads the block's input, every other"),
    ((chain_inputs, chain_class(sequential)), "last unit alone"),
    ((chain_inputs, chain_class(chain_without_input)), "input belongs"),
    ((chain_inputs, chain_class(chain_overwriting_x)), "no longer the block's input"),
    ((chain_inputs, chain_class(along_the_batch)), "unless told dim=1"),
    ((chain_inputs, nn.Linear(2, 2)), "expected a class"),
]


def nothing(channels, units):
    return None  # your code


OPEN["6.2"] = [
    (nothing, chain_class(unfinished, nothing)),
    (chain_inputs, chain_class(unfinished)),
]


def network_class(forward):
    class MyNbNet(nn.Module):
        def __init__(self, block, base=256):
            super().__init__()
            self.stem = nn.ConvTranspose2d(128, base, 4, bias=False)
            channels, blocks, ups = base, [], []
            for k in range(5):
                blocks.append(block(channels, base // 8 // 2**k))
                channels *= 2
                if k < 4:
                    ups.append(
                        nn.Sequential(
                            nn.BatchNorm2d(channels, eps=1e-4),
                            nn.ReLU(),
                            nn.ConvTranspose2d(channels, channels // 4, 4, 2, 1, bias=False),
                        )
                    )
                    channels //= 4
            self.blocks, self.ups = nn.ModuleList(blocks), nn.ModuleList(ups)
            self.norm = nn.BatchNorm2d(channels, eps=1e-4)
            self.head = nn.Conv2d(channels, 3, 1, bias=False)

        def forward(self, templates):
            return forward(self, self.stem(templates[:, :, None, None] * 128**0.5))

    return MyNbNet


def trunk(self, x):
    for k, block in enumerate(self.blocks):
        x = block(x)
        if k < len(self.ups):
            x = self.ups[k](x)
    return x


def trunk_in_pairs(self, x):
    for block, up in zip(self.blocks[:-1], self.ups, strict=True):
        x = up(block(x))
    return self.blocks[-1](x)


def one_up_too_many(self, x):
    for k, block in enumerate(self.blocks):
        x = self.ups[k](block(x))
    return x


def blocks_then_ups(self, x):
    for part in [*self.blocks, *self.ups]:
        x = part(x)
    return x


def without_the_last(self, x):
    for block, up in zip(self.blocks, self.ups, strict=False):
        x = up(block(x))
    return torch.tanh(self.head(torch.relu(self.norm(x))))


RIGHT["6.4"] = [
    network_class(lambda s, x: torch.tanh(s.head(torch.relu(s.norm(trunk(s, x)))))),
    network_class(lambda s, x: s.head(s.norm(trunk_in_pairs(s, x)).clamp(min=0)).tanh()),
]

SLIPS["6.4"] = [
    (network_class(forward), part)
    for forward, part in (
        (lambda s, x: s.head(torch.relu(s.norm(trunk(s, x)))), "tanh is missing"),
        (lambda s, x: torch.sigmoid(s.head(torch.relu(s.norm(trunk(s, x))))), "sigmoid"),
        (lambda s, x: torch.tanh(s.head(s.norm(trunk(s, x)))), "ReLU between"),
        (lambda s, x: torch.tanh(s.head(torch.relu(trunk(s, x)))), "self.norm is missing"),
        (lambda s, x: torch.tanh(s.head(trunk(s, x))), "self.norm and ReLU"),
        (lambda s, x: torch.tanh(s.head(s.norm(torch.relu(trunk(s, x))))), "norm first"),
        (lambda s, x: torch.tanh(s.norm(trunk(s, x))), "head is missing"),
        (one_up_too_many, "none after the last block"),
        (blocks_then_ups, "take turns"),
        (without_the_last, "block 4 never ran"),
        (lambda s, x: s.head(nn.ReLU(s.norm(trunk(s, x)))), "torch.relu is the function"),
        (lambda s, x: nn.Tanh(s.head(trunk(s, x))), "torch.relu is the function"),
        (lambda s, x: nn.ReLU(s.head(trunk(s, x))), "make the layer first"),
        (lambda s, x: trunk(s, x)[0, 0, 0] @ x, "size"),  # torch's own words
    )
]
OPEN["6.1"] = [block_class(unfinished)]
OPEN["6.4"] = [network_class(lambda self, x: None)]
