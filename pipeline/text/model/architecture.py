"""The text networks by name: recurrent, a transformer from nothing, a pretrained encoder."""

from typing import Any

from pipeline.text.model.encoding import Encoder
from pipeline.text.model.network import TextEnsemble, TextNetwork
from pipeline.text.model.recurrent import KINDS, RecurrentNetwork
from pipeline.text.model.transformer import TransformerNetwork
from pipeline.text.settings import NetworkSettings


def architecture(
    encoder: Encoder, settings: NetworkSettings, num_outputs: int = 1
) -> dict[str, Any]:
    """What `build` needs, as plain data: the content of `model.json`."""
    of_encoder, kind = encoder.architecture(), settings.architecture
    plain = {"architecture": kind, "padding": of_encoder["padding"], "dropout": settings.dropout}
    if kind == "pretrained":
        from pipeline.text.model import pretrained

        plain |= pretrained.described(encoder, settings.pretrained)
    elif kind == "transformer":
        plain |= {**of_encoder, **settings.transformer.model_dump(mode="json")}
    else:
        plain |= {"num_pieces": of_encoder["num_pieces"], **settings.recurrent.model_dump()}
    return plain if num_outputs == 1 else {**plain, "num_outputs": num_outputs}


def mixed(architecture: dict[str, Any], mixture: tuple[float, ...]) -> dict[str, Any]:
    """The architecture of an ensemble of such networks; of one network where nothing is mixed."""
    return {**architecture, "mixture": list(mixture)} if mixture else architecture


def build(architecture: dict[str, Any]) -> TextNetwork | TextEnsemble:
    """The network, or the ensemble, that `model.json` describes, with fresh weights where they are
    trained."""
    single = {name: value for name, value in architecture.items() if name != "mixture"}
    if "mixture" not in architecture:
        return _network(**single)
    mixture = architecture["mixture"]
    return TextEnsemble([_network(**single) for _ in mixture], mixture)


def _network(architecture: str, **described: Any) -> TextNetwork:
    if architecture in KINDS:
        return RecurrentNetwork(architecture, **described)
    if architecture == "transformer":
        return TransformerNetwork(**described)
    from pipeline.text.model.pretrained import PretrainedNetwork

    return PretrainedNetwork(**described)
