"""A measurement: a simulation with named parameters, and the theory of it.

The sweeps of the command line are grids of points of a measurement. Points are frozen
dataclasses that check themselves.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from typing import TYPE_CHECKING, Any, ClassVar

from analytics.solve import Prediction
from sims.request import Job, Request
from sims.task import Task, identity
from statmech.errors import ParameterError, nearest

if TYPE_CHECKING:
    import xarray


class Measurement(Task):
    """One kind of simulation; instances carry nothing.

    Attributes
    ----------
    point : type
        Frozen dataclass of the parameters, with at least `n_spins`, `seed`, `sample`
        and `path`.
    observables : tuple of str
        Results (chain or pair, draw) whose averages over samples are estimates.
    figures : tuple of str
        Kinds of figures that show it.
    """

    point: ClassVar[type[Any]]
    observables: ClassVar[tuple[str, ...]]
    figures: ClassVar[tuple[str, ...]] = ("curves",)

    def parse(self, parameters: Mapping[str, Any]) -> Any:
        """The point of these parameters.

        Raises
        ------
        ParameterError, ParameterTypeError
            For unknown, missing or bad parameters, by name.
        """
        known = {field.name: field for field in fields(self.point)}
        for name, value in parameters.items():
            if name not in known:
                allowed = "a parameter of " + self.name + ": " + ", ".join(known)
                raise ParameterError(name, value, allowed, nearest(name, known))
        for name, field in known.items():
            if field.default is MISSING and name not in parameters:
                raise ParameterError(name, None, "given: it has no default")
        return self.point(**parameters)

    def job(self, parameters: Mapping[str, Any]) -> Job:
        point = self.parse(parameters)
        content = asdict(point)
        return Job(
            parameters=content,
            identity=identity("measurement", self.name, {"parameters": content}),
            path=point.path,
        )

    def compute(self, job: Job) -> Mapping[str, Any]:
        return self.simulate(self.parse(job.parameters))

    @abstractmethod
    def simulate(self, point: Any) -> Mapping[str, Any]:
        """{name: (dims, array)} of one point, a pure function of it."""

    def predict(self, point: Any) -> Mapping[str, Prediction]:
        """Theory for some of the observables; empty where there is none."""
        return {}

    def predict_given(
        self, point: Any, results: Mapping[str, Any]
    ) -> Mapping[str, Prediction]:
        """Theory that starts from what was measured, of one cell of a sweep.

        `results` are those of all samples of the cell, {name: (sample, ...) array}. By
        default nothing of them is used.
        """
        return self.predict(point)

    def limit(self, parameters: Mapping[str, Any]) -> Mapping[str, Prediction]:
        """Theory at exactly these parameters, for lines on a fine grid.

        `predict` is for the load that whole numbers of patterns give. Empty where
        theory takes too long for a line, or there is none.
        """
        return {}

    def annotate(self, dataset: xarray.Dataset, request: Request) -> xarray.Dataset:
        from sims.analysis import annotate

        return annotate(dataset, request, self)

    @abstractmethod
    def memory(self, point: Any) -> int:
        """Bytes that `simulate` needs at its peak, in a process of its own."""

    @abstractmethod
    def cost(self, point: Any) -> float:
        """Elementary operations of `simulate`, to compare points with each other."""

    @abstractmethod
    def shortened(self, point: Any) -> Any:
        """The same point with far fewer sweeps, to time it."""
