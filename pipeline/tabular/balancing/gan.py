"""A small conditional generative adversarial network of coded rows.

The game is that of I. Gulrajani et al., Improved training of Wasserstein GANs, NeurIPS 2017: a
critic scores real rows high and made rows low, with a penalty that keeps its slope near 1, and the
generator makes rows that score high. Codes are made differentiable by the Gumbel softmax, and both
networks are told group and label, as in L. Xu et al., Modeling tabular data using conditional GAN,
NeurIPS 2019; that paper's mode-specific numbers are here the codes that all generators take.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.run.progress import fitting
from pipeline.tabular.balancing.generator import Generator, batches, embedded, seeded, seen_codes
from pipeline.tabular.settings import SyntheticSettings

Ints = NDArray[np.int64]

NOISE = 64
"""Length of the vector that a row is made from."""
TEMPERATURE = 0.3
"""Of the Gumbel softmax: the smaller, the nearer to one code per column."""
PENALTY = 10.0
"""Weight of the critic's gradient penalty."""
NUM_EPOCHS = 30
LEARNING_RATE_SHARE = 0.2
"""Of the settings' step size: an adversary needs smaller steps than an autoencoder."""


class Maker(nn.Module):
    """From noise and conditions to the logits of each column's codes.

    Args:
        num_codes: Codes of each column.
        num_conditions: Values of each condition.
        width: Of every hidden layer.
        allowed: For each column, which codes may be made.
    """

    allowed: Tensor

    def __init__(
        self, num_codes: list[int], num_conditions: list[int], width: int, allowed: list[Tensor]
    ) -> None:
        super().__init__()
        self.num_codes = num_codes
        self.conditions = nn.ModuleList(nn.Embedding(num, width) for num in num_conditions)
        self.noise = nn.Linear(NOISE, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.out = nn.Linear(width, sum(num_codes))
        self.register_buffer("allowed", torch.cat(allowed), persistent=False)

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Logits of all columns' codes, shape (rows, codes)."""
        hidden = self.noise(noise) + embedded(self.conditions, conditions)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            hidden = hidden + layer(norm(hidden).relu())
        logits: Tensor = self.out(hidden.relu())
        return logits.masked_fill(~self.allowed, -1e9)

    def soft(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Nearly one code per column, differentiable; shape (rows, codes)."""
        parts = self(noise, conditions).split(self.num_codes, dim=1)
        gumbel = [functional.gumbel_softmax(part, tau=TEMPERATURE) for part in parts]
        return torch.cat(gumbel, dim=1)


class Critic(nn.Module):
    """A score for each row: high for real ones."""

    def __init__(self, num_codes: list[int], num_conditions: list[int], width: int) -> None:
        super().__init__()
        self.conditions = nn.ModuleList(nn.Embedding(num, width) for num in num_conditions)
        self.rows = nn.Linear(sum(num_codes), width)
        self.layers = nn.Sequential(
            nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2), nn.Linear(width, 1)
        )

    def forward(self, rows: Tensor, conditions: Tensor) -> Tensor:
        """Scores, shape (rows,), of rows as shares of each code, shape (rows, codes)."""
        scores: Tensor = self.layers(self.rows(rows) + embedded(self.conditions, conditions))
        return scores.squeeze(1)


def fit(
    codes: Ints,
    conditions: Ints,
    num_codes: list[int],
    num_conditions: list[int],
    settings: SyntheticSettings,
    seed: int,
) -> Generator:
    """Fit on coded rows; the arguments are those of `vae.fit`."""
    seeded(seed)
    num_epochs = settings.num_epochs or NUM_EPOCHS
    rows, given = torch.from_numpy(codes), torch.from_numpy(conditions)
    maker = Maker(num_codes, num_conditions, settings.width, seen_codes(rows, num_codes))
    critic = Critic(num_codes, num_conditions, settings.width)
    rate = LEARNING_RATE_SHARE * settings.learning_rate
    makes = torch.optim.Adam(maker.parameters(), lr=rate, betas=(0.5, 0.9))
    scores = torch.optim.Adam(critic.parameters(), lr=rate, betas=(0.5, 0.9))
    distance = 0.0
    with fitting("adversarial network", num_epochs) as advance:
        for _ in range(num_epochs):
            total = torch.zeros(())
            for batch in batches(len(rows), settings.batch_size):
                real, condition = one_hot(rows[batch], num_codes), given[batch]
                noise = torch.randn(len(batch), NOISE)
                with torch.no_grad():
                    fake = maker.soft(noise, condition)
                gap = (critic(real, condition) - critic(fake, condition)).mean()
                step(scores, slope_penalty(critic, real, fake, condition) - gap)
                fake = maker.soft(torch.randn(len(batch), NOISE), condition)
                step(makes, -critic(fake, condition).mean())
                total += gap.detach() * len(batch)
            distance = float(total) / len(rows)
            advance(distance)
    maker.eval()

    def draw(wanted: Ints, seed: int) -> Ints:
        torch.manual_seed(seed)
        with torch.inference_mode():
            logits = maker(torch.randn(len(wanted), NOISE), torch.from_numpy(wanted))
            parts = [part.softmax(dim=1) for part in logits.split(num_codes, dim=1)]
            drawn = [torch.multinomial(part, 1).squeeze(1) for part in parts]
        found: Ints = torch.stack(drawn, dim=1).numpy()
        return found

    return Generator(draw, {"critic_distance": round(distance, 4)})


def one_hot(codes: Tensor, num_codes: list[int]) -> Tensor:
    """Codes as 0 and 1, shape (rows, codes)."""
    parts = [functional.one_hot(codes[:, i], num) for i, num in enumerate(num_codes)]
    return torch.cat(parts, dim=1).float()


def step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def slope_penalty(critic: Critic, real: Tensor, fake: Tensor, conditions: Tensor) -> Tensor:
    """How far the critic's slope between real and made rows is from 1, a scalar."""
    share = torch.rand(len(real), 1)
    between = (share * real + (1 - share) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between, conditions).sum(), between, create_graph=True)
    penalty: Tensor = PENALTY * ((slope.norm(dim=1) - 1) ** 2).mean()
    return penalty
