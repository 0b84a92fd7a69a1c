"""Parts of a modality are found by name; one that a modality need not have may be absent."""

import pytest

from pipeline.core.errors import ProjectError
from pipeline.core.settings.modality import optional_part, part


def test_an_optional_part_is_the_module_where_there_is_one_and_none_where_not() -> None:
    assert optional_part("tabular", "balancing.correlation") is part(
        "tabular", "balancing.correlation"
    )
    assert optional_part("tabular", "no_such_part") is None


def test_a_modality_that_is_none_names_the_nearest() -> None:
    with pytest.raises(ProjectError) as caught:
        part("tabulr", "data.cleaning")
    assert "did you mean `tabular`?" in str(caught.value)
