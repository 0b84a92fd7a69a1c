"""A small conditional variational autoencoder of coded rows.

D. P. Kingma and M. Welling, Auto-encoding variational Bayes, ICLR 2014; conditional as in K. Sohn
et al., Learning structured output representation using deep conditional generative models, NeurIPS
2015. A row's codes are drawn one column after the other, each from what the latent vector, the
group and label, and the columns before it say (the decoder is that of H. Larochelle and I. Murray,
The neural autoregressive distribution estimator, AISTATS 2011): columns drawn independently of each
other make husbands who never married.
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

LATENT = 8
"""Length of the latent vector."""
FREE_NATS = 0.25
"""What each latent number may say for free. Without it the decoder, which sees the columns before,
leaves the latent vector unused (D. P. Kingma et al., Improved variational inference with inverse
autoregressive flow, NeurIPS 2016)."""
NUM_EPOCHS = 10
WARM_UP = 0.5
"""The share of the training in which the divergence's weight rises from 0 to 1."""


class Autoencoder(nn.Module):
    """From codes to a latent normal distribution and back.

    Args:
        num_codes: Codes of each column.
        num_conditions: Values of each condition (the groups' columns and the label).
        width: Of every hidden layer.
    """

    def __init__(self, num_codes: list[int], num_conditions: list[int], width: int) -> None:
        super().__init__()
        self.seen = nn.ModuleList(nn.Embedding(num, width) for num in num_codes)
        self.encoding_condition = nn.ModuleList(nn.Embedding(num, width) for num in num_conditions)
        self.encoder = nn.Sequential(nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.mean = nn.Linear(width, LATENT)
        self.log_variance = nn.Linear(width, LATENT)
        self.decoding_condition = nn.ModuleList(nn.Embedding(num, width) for num in num_conditions)
        self.from_latent = nn.Linear(LATENT, width)
        self.decoder = nn.Sequential(nn.ReLU(), nn.Linear(width, width))
        self.drawn = nn.ModuleList(nn.Embedding(num, width) for num in num_codes)
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(), nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, num)
            )
            for num in num_codes
        )

    def encode(self, codes: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of the latent vector, each (rows, latent)."""
        hidden = self.encoder(
            embedded(self.seen, codes) + embedded(self.encoding_condition, conditions)
        )
        return self.mean(hidden), self.log_variance(hidden)

    def start(self, latent: Tensor, conditions: Tensor) -> Tensor:
        """What is known of a row before its first column, (rows, width)."""
        hidden: Tensor = self.decoder(
            self.from_latent(latent) + embedded(self.decoding_condition, conditions)
        )
        return hidden

    def reconstruction(self, codes: Tensor, latent: Tensor, conditions: Tensor) -> Tensor:
        """The negative log likelihood of codes, in nats per row; a scalar."""
        hidden = self.start(latent, conditions)
        loss = torch.zeros(())
        for i, (head, drawn) in enumerate(zip(self.heads, self.drawn, strict=True)):
            loss = loss + functional.cross_entropy(head(hidden), codes[:, i])
            hidden = hidden + drawn(codes[:, i])
        return loss

    def draw(self, latent: Tensor, conditions: Tensor, allowed: list[Tensor]) -> Tensor:
        """Codes column by column, (rows, columns); `allowed` masks the codes of each column."""
        hidden = self.start(latent, conditions)
        found = []
        for head, drawn, mask in zip(self.heads, self.drawn, allowed, strict=True):
            logits = head(hidden).masked_fill(~mask, -torch.inf)
            codes = torch.multinomial(logits.softmax(dim=1), 1).squeeze(1)
            hidden = hidden + drawn(codes)
            found.append(codes)
        return torch.stack(found, dim=1)


def fit(
    codes: Ints,
    conditions: Ints,
    num_codes: list[int],
    num_conditions: list[int],
    settings: SyntheticSettings,
    seed: int,
) -> Generator:
    """Fit on coded rows.

    Args:
        codes: Shape (rows, columns).
        conditions: Group and label of each row as numbers, shape (rows, conditions).
        num_codes: Codes of each column.
        num_conditions: Values of each condition.
        seed: Of weights, order and latent vectors.
    """
    seeded(seed)
    num_epochs = settings.num_epochs or NUM_EPOCHS
    network = Autoencoder(num_codes, num_conditions, settings.width)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate)
    steps = num_epochs * -(-len(codes) // settings.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, steps)
    rows, given = torch.from_numpy(codes), torch.from_numpy(conditions)
    facts: dict[str, float] = {}
    step = 0
    with fitting("autoencoder", num_epochs) as advance:
        for _ in range(num_epochs):
            total = torch.zeros(2)
            for batch in batches(len(rows), settings.batch_size):
                step += 1
                weight = min(1.0, step / (WARM_UP * steps))
                error, divergence = bound(network, rows[batch], given[batch])
                optimizer.zero_grad(set_to_none=True)
                objective = error + weight * divergence.clamp(min=FREE_NATS).sum()
                objective.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
                total += torch.stack([error, divergence.sum()]).detach() * len(batch)
            facts = dict(
                zip(("reconstruction_nats", "latent_nats"), total / len(rows), strict=True)
            )
            advance(float(sum(facts.values())))
    network.eval()
    allowed = seen_codes(rows, num_codes)

    def draw(wanted: Ints, seed: int) -> Ints:
        torch.manual_seed(seed)
        with torch.inference_mode():
            latent = torch.randn(len(wanted), LATENT)
            found: Ints = network.draw(latent, torch.from_numpy(wanted), allowed).numpy()
        return found

    return Generator(draw, {name: round(float(value), 4) for name, value in facts.items()})


def bound(network: Autoencoder, codes: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
    """The two parts of the negative evidence lower bound, in nats per row.

    Returns:
        The reconstruction's error, a scalar, and each latent number's divergence from a standard
        normal distribution, shape (latent,).
    """
    mean, log_variance = network.encode(codes, conditions)
    latent = mean + (log_variance / 2).exp() * torch.randn_like(mean)
    divergence = (mean**2 + log_variance.exp() - 1 - log_variance).mean(dim=0) / 2
    return network.reconstruction(codes, latent, conditions), divergence
