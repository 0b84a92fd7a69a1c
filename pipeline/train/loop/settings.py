"""What a project may set of the training loop. Light: checked first of all."""

from typing import Literal

from pydantic import Field

from pipeline.core.settings.typed_settings import Frozen
from pipeline.train.loop.penalty import Mitigation


class LoopSettings(Frozen):
    seed: int = Field(0, ge=0, lt=2**32)
    """Of initial weights, order of rows and dropout."""
    max_epochs: int = Field(80, ge=1)
    """Passes over the training rows at the most."""
    patience: int = Field(8, ge=1, json_schema_extra={"unit": "epochs"})
    """Epochs without a better validation loss until training stops."""
    batch_size: int = Field(1024, ge=2)
    """Rows whose gradient is found at once."""
    accumulate: int = Field(1, ge=1, json_schema_extra={"unit": "batches"})
    """Batches whose gradients are averaged for one step: a large batch in little memory."""
    optimizer: Literal["adamw", "adam"] = "adamw"
    """How a gradient becomes a step; they differ in what `weight_decay` does."""
    learning_rate: float = Field(1e-3, gt=0, le=1)
    """The optimizer's largest step size: how far each step moves the weights."""
    weight_decay: float = Field(1e-2, ge=0, le=1)
    """Pull of the weights towards 0; 0 leaves them alone. `adam` adds it to the gradient."""
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    """How the step size falls to 0 over the steps of `max_epochs`."""
    warmup_share: float = Field(0.0, ge=0, lt=1)
    """Of the steps of `max_epochs`: in these the step size rises from 0 to `learning_rate`."""
    max_gradient_norm: float | None = Field(None, gt=0, json_schema_extra={"unit": "factor"})
    """A longer gradient is shortened to this length; none is when not given."""
    max_gradient_growth: float | None = Field(1000, gt=1, json_schema_extra={"unit": "factor"})
    """A gradient that is so many times longer than usual stops training, unless it is shortened;
    usual is the median of the last 100 steps, or of the first 100 where that was longer."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the network's arithmetic in training: `auto` is bf16 on a GPU that has it, else fp32."""
    compile: bool = False
    """Whether torch.compile makes the network's code anew: a start of half a minute; slower on
    the CPUs where it was tried (docs/decisions/0030), not tried on a GPU."""
    deterministic: bool = True
    """Whether only algorithms are used that give the same bytes again on the same machine."""
    num_threads: int = Field(1, ge=1)
    """CPU threads; part of the settings, as sums in another order give other last digits."""
    num_processes: int = Field(1, ge=1)
    """Processes that share each batch, with `num_threads` each; on GPUs, one GPU each."""
    mitigation: Mitigation = Mitigation()
    """What is done about gaps between groups."""

    @property
    def max_passes(self) -> int:
        """Passes over the training rows at the most, those of members included."""
        return self.max_epochs + self.mitigation.max_member_passes
