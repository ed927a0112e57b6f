"""The tests check annotations: types in every module of ted_core, shapes where there are any."""

import numpy as np
import pytest
from beartype.roar import BeartypeCallHintParamViolation
from jaxtyping import TypeCheckError

from ted_core.python_process import module_command
from ted_core.results.weights import weights_of_rows


def test_an_argument_of_another_type_is_refused() -> None:
    with pytest.raises(BeartypeCallHintParamViolation):
        module_command(1)  # type: ignore[arg-type]


def test_arrays_whose_shapes_do_not_fit_together_are_refused() -> None:
    with pytest.raises(TypeCheckError, match="rows"):
        weights_of_rows(np.ones(3, bool), np.ones(2, np.float32))
