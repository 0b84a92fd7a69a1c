"""A pretrained encoder with one linear layer: fine-tuned in full, in part, or by LoRA.

Weights that are left as they are belong to the package or folder that they come from: neither
weights.safetensors nor a checkpoint repeats them; model.json has their source and digest, and
other weights are refused. The versions of the packages stand in pretrained.lock.

LoRA: E. Hu et al., Low-rank adaptation of large language models, ICLR 2022.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pipeline.core.errors import ProjectError
from pipeline.core.files import read_json
from pipeline.text.model import weights
from pipeline.text.model.encoding import Encoder
from pipeline.text.model.network import TextNetwork, mean
from pipeline.text.settings import PretrainedSettings


def described(encoder: Encoder, settings: PretrainedSettings) -> dict[str, Any]:
    """What `model.json` has of a pretrained encoder, the digest of its weights among it.

    Raises:
        ProjectError: the tokenizer is another one's, the weights are not those that were named, or
            are named by no digest where no package fixes them, or texts are longer than the encoder
            reads.
    """
    weights.check_installed("transformers", *(["peft"] if settings.adaptation == "lora" else []))
    folder = weights.folder_of(settings.source)
    if encoder.source != settings.source:
        raise ProjectError(
            f"train.encoder.tokenizer: expected that of {weights.WANTED}.source, "
            f"{settings.source!r}, got {encoder.source!r}",
            hint=f"set `train.encoder.tokenizer: {settings.source}`",
        )
    most = read_json(weights.file_of(folder, weights.CONFIG)).get("max_position_embeddings")
    if most is not None and encoder.max_length > most:
        raise ProjectError(
            f"train.encoder.max_length: expected at most {most}, which {settings.source!r} reads, "
            f"got {encoder.max_length}",
            hint=f"set `train.encoder.max_length: {most}` or less",
        )
    digest = weights.check_digest(settings.source, folder, settings.sha256)
    return {**settings.model_dump(mode="json"), "sha256": digest}


class PretrainedNetwork(TextNetwork):
    """The encoder, the mean of its last layer, one linear layer.

    Args:
        source: Where the encoder lies.
        sha256: Of its weights.
        adaptation: `full`, `lora` or `head`.
        frozen_layers: Layers from below, with the embeddings, that are left as they are.
        lora: Rank, alpha and targets.
        padding: The piece that fills texts up.
        dropout: Share of activations dropped while training.
        num_outputs: Classes of a multiclass target, else 1.
    """

    rows_of_like_length = 8

    def __init__(
        self,
        source: str,
        sha256: str,
        adaptation: str,
        frozen_layers: int,
        lora: dict[str, Any],
        padding: int,
        dropout: float,
        num_outputs: int = 1,
    ) -> None:
        weights.check_installed("transformers", *(["peft"] if adaptation == "lora" else []))
        folder = weights.folder_of(source)
        weights.check_digest(source, folder, sha256)
        base = base_of(folder)
        super().__init__(padding, base.config.hidden_size, dropout, num_outputs)
        for module in base.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout
        layers = layers_of(base, frozen_layers)
        num_frozen = len(layers) if adaptation == "head" else frozen_layers
        base.requires_grad_(adaptation == "full" and num_frozen == 0)
        layers[num_frozen:].requires_grad_(adaptation == "full")
        if adaptation == "lora":
            adapt(base, lora, [*range(num_frozen, len(layers))], dropout)
        self.base, self.num_frozen = base, num_frozen
        self.frozen = [name for name, one in self.named_parameters() if not one.requires_grad]
        hooked: Any = self  # torch has no types of these
        hooked.register_state_dict_post_hook(_without_frozen)
        hooked.register_load_state_dict_pre_hook(_with_frozen)

    def embed(self, pieces: Tensor) -> Tensor:
        embedded: Tensor = self.base.get_input_embeddings()(pieces)
        return embedded

    def read(self, embedded: Tensor, counts: Tensor) -> Tensor:
        states = self.base(inputs_embeds=embedded, attention_mask=counts.long())
        return mean(states.last_hidden_state, counts)

    def train(self, mode: bool = True) -> "PretrainedNetwork":
        """Layers that are left as they are drop nothing while the others train."""
        super().train(mode)
        if self.num_frozen:
            self.base.eval()
            layers_of(self.base)[self.num_frozen :].train(mode)
        return self


def base_of(folder: Path) -> Any:
    """The encoder in a folder, in float32, without its pooling layer; asks no network."""
    import torch
    from transformers import AutoModel

    weights.file_of(folder, weights.CONFIG)
    with _quiet():
        base = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    if getattr(base, "pooler", None) is not None:
        base.pooler = None
    return base


def layers_of(base: Any, least: int = 0) -> nn.ModuleList:
    """The encoder's layers, from below; refuse fewer than `least`."""
    num = base.config.num_hidden_layers
    found = [one for one in base.modules() if isinstance(one, nn.ModuleList) and len(one) == num]
    if not found or least > num:
        raise ProjectError(
            f"{weights.WANTED}.frozen_layers: expected at most {num if found else 0}, the layers "
            f"that the encoder has, got {least}",
            hint="`adaptation: head` freezes all of them",
        )
    return found[0]


def adapt(base: Any, lora: dict[str, Any], layers: list[int], dropout: float) -> None:
    """Put LoRA's matrices beside the named linear layers of these layers, in place."""
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=lora["rank"],
        lora_alpha=lora["alpha"],
        target_modules=list(lora["targets"]),
        layers_to_transform=layers,
        lora_dropout=dropout,
    )
    num = base.config.num_hidden_layers
    linear = {n.split(".")[-1] for n, m in base.named_modules() if isinstance(m, nn.Linear)}
    try:
        if not layers:
            raise ValueError("no layer is left to adapt")
        inject_adapter_in_model(config, base)
    except ValueError:
        raise ProjectError(
            f"{weights.WANTED}.lora.targets: expected linear layers of the encoder "
            f"({', '.join(sorted(linear))}) above the {num - len(layers)} frozen of {num}, "
            f"got {', '.join(lora['targets'])}",
            hint="BERT's are query, key, value and dense; `frozen_layers` leaves one at least",
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars and advice."""
    from transformers import utils

    logging: Any = utils.logging
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        logging.enable_progress_bar()


def _without_frozen(module: Any, state: dict[str, Any], prefix: str, _: Any) -> None:
    for name in module.frozen:
        del state[prefix + name]


def _with_frozen(module: Any, state: dict[str, Any], prefix: str, *_: Any) -> None:
    for name in module.frozen:
        state.setdefault(prefix + name, module.get_parameter(name).data)
