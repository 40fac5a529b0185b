"""Experiments whose points are a dataclass, at two sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, ClassVar

from sims.experiment import Experiment
from statmech.errors import ParameterError, check_integer, nearest


class TwoSizes(Experiment):
    """An experiment that makes its points from one, at a smaller size and a larger.

    Attributes
    ----------
    point : type
        Dataclass of the points.
    required : tuple of str
        Parameters of it that have no default.
    """

    point: ClassVar[type[Any]]
    required: ClassVar[tuple[str, ...]]
    _smallest: Any
    _largest: Any

    def _read_budget(
        self,
        parameters: Mapping[str, Any],
        n_samples: int | None,
        quick: bool,
        usual: tuple[int, int],
    ) -> None:
        """Refuse unknown and missing parameters by name; note what was asked for.

        usual: numbers of samples by default, and with `quick`.
        """
        known = [f.name for f in fields(self.point) if f.name != "sample"]
        for name, value in parameters.items():
            if name not in known:
                allowed = "one of " + ", ".join([*known, "n_samples", "quick"])
                raise ParameterError(name, value, allowed, nearest(name, known))
        for name in self.required:
            if parameters.get(name) is None:
                raise ParameterError(name, None, "given: it has no default")
        self.quick = bool(quick)
        default = usual[1] if self.quick else usual[0]
        self.n_samples = check_integer(
            "n_samples", default if n_samples is None else n_samples, 6
        )

    def settings(self) -> dict[str, Any]:
        """Every parameter, defaults written back."""
        names = [f.name for f in fields(self.point) if f.name != "sample"]
        point = {name: getattr(self._largest, name) for name in names}
        return {**point, "n_samples": self.n_samples, "quick": self.quick}

    def points(self) -> list[Any]:
        """Both sizes, every disorder sample."""
        return [
            replace(one, sample=sample)
            for one in (self._smallest, self._largest)
            for sample in range(self.n_samples)
        ]
