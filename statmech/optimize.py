"""First-order optimisers: gradient descent, momentum, Adam.

Settings are frozen; `settings.start(parameters)` gives an `Optimizer`, which holds what
has to be remembered between updates in plain arrays, so that it can be copied, saved
and taken up again bit for bit. Parameters are one array or a sequence of arrays, and
change in place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    check_integer,
    check_real,
)

Array = NDArray[Any]
Arrays = Array | Sequence[Array]

_COUNT = "n_updates"
_LARGEST_RATE = 1e12


@dataclass(frozen=True)
class Settings(ABC):
    """What all optimisers share: frozen settings, checked when they are made."""

    learning_rate: float

    # Names of the arrays kept for each array of parameters.
    _kept: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        rate = check_real(
            "learning_rate", self.learning_rate, 0.0, _LARGEST_RATE, low_open=True
        )
        object.__setattr__(self, "learning_rate", rate)

    def start(self, parameters: Arrays) -> Optimizer:
        """An optimiser that has made no update of `parameters` yet."""
        arrays = _check_arrays("parameters", parameters)
        kept = {name: [np.zeros_like(a) for a in arrays] for name in self._kept}
        return Optimizer(self, kept, 0)

    def restore(self, state: Mapping[str, Array]) -> Optimizer:
        """The optimiser whose `Optimizer.arrays` are `state`."""
        expected = f"the arrays of an optimiser: {_COUNT}, and those kept"
        if not isinstance(state, Mapping) or _COUNT not in state:
            raise ParameterTypeError("state", state, expected)
        count = check_integer(_COUNT, np.asarray(state[_COUNT]).item(), 0)
        n_arrays = (len(state) - 1) // len(self._kept) if self._kept else 0
        names = {f"{name}_{k}" for name in self._kept for k in range(n_arrays)}
        if names | {_COUNT} != set(state):
            raise ParameterError("state", sorted(state), expected)
        kept = {
            name: [np.array(state[f"{name}_{k}"]) for k in range(n_arrays)]
            for name in self._kept
        }
        return Optimizer(self, kept, count)

    @abstractmethod
    def _update(
        self, parameter: Array, gradient: Array, kept: Sequence[Array], count: int
    ) -> None:
        """Change one array, and what is kept for it, in place; `count` from 1."""


class Optimizer:
    """Settings and what is kept between updates.

    Attributes
    ----------
    settings : SGD, Momentum or Adam
    n_updates : int
        Updates made.
    """

    def __init__(
        self, settings: Settings, kept: Mapping[str, list[Array]], n_updates: int
    ) -> None:
        self.settings = settings
        self.n_updates = n_updates
        self._kept = dict(kept)

    def update(self, parameters: Arrays, gradient: Arrays) -> None:
        """One update against the gradient, in place.

        Parameters
        ----------
        parameters : array or sequence of arrays, floating point
            Those given to `start`, or others of the same shapes.
        gradient : array or sequence of arrays
            Of the same shapes; finite.

        Raises
        ------
        ParameterError, ParameterTypeError
            Before anything is changed.
        """
        arrays = _check_arrays("parameters", parameters)
        slopes = _check_arrays("gradient", gradient, writable=False)
        for kept in (slopes, *self._kept.values()):
            if [a.shape for a in kept] != [a.shape for a in arrays]:
                raise ParameterError(
                    "gradient" if kept is slopes else "parameters",
                    [a.shape for a in arrays],
                    f"arrays of the shapes {[a.shape for a in kept]}",
                )
        if not all(np.isfinite(slope).all() for slope in slopes):
            raise ParameterError("gradient", gradient, "finite", "lower the rate")
        self.n_updates += 1
        for k, (array, slope) in enumerate(zip(arrays, slopes, strict=True)):
            kept = [one[k] for one in self._kept.values()]
            self.settings._update(array, slope, kept, self.n_updates)

    def copy(self) -> Optimizer:
        """An independent copy."""
        return self.settings.restore(self.arrays())

    def arrays(self) -> dict[str, Array]:
        """All there is to remember, as named arrays; copies."""
        found: dict[str, Array] = {_COUNT: np.array(self.n_updates)}
        for name, arrays in self._kept.items():
            found |= {f"{name}_{k}": a.copy() for k, a in enumerate(arrays)}
        return found


@dataclass(frozen=True)
class SGD(Settings):
    """Plain gradient descent: theta <- theta - rate * g.

    Parameters
    ----------
    learning_rate : float
        Positive.

    Examples
    --------
    >>> theta = np.array([1.0, -2.0])
    >>> SGD(0.5).start(theta).update(theta, theta.copy())
    >>> theta.tolist()
    [0.5, -1.0]
    """

    def _update(
        self, parameter: Array, gradient: Array, kept: Sequence[Array], count: int
    ) -> None:
        parameter -= self.learning_rate * gradient


@dataclass(frozen=True)
class Momentum(Settings):
    """Heavy ball: v <- mu v + g, theta <- theta - rate * v.

    Parameters
    ----------
    learning_rate : float
        Positive.
    momentum : float
        mu, from 0 (plain descent) to below 1.
    nesterov : bool
        theta <- theta - rate * (g + mu v) instead, with the new v.

    References
    ----------
    B. T. Polyak, USSR Comput. Math. Math. Phys. 4, 1 (1964).
    Y. Nesterov, Sov. Math. Dokl. 27, 372 (1983); in this form I. Sutskever et al.,
    Proc. ICML, PMLR 28, 1139 (2013).

    Examples
    --------
    >>> theta = np.array([1.0])
    >>> ball = Momentum(0.5, momentum=0.5).start(theta)
    >>> ball.update(theta, theta.copy())
    >>> ball.update(theta, theta.copy())
    >>> theta.tolist()
    [0.0]
    """

    momentum: float = 0.9
    nesterov: bool = False
    _kept: ClassVar[tuple[str, ...]] = ("velocity",)

    def __post_init__(self) -> None:
        super().__post_init__()
        mu = check_real("momentum", self.momentum, 0.0, 1.0, high_open=True)
        object.__setattr__(self, "momentum", mu)
        if not isinstance(self.nesterov, (bool, np.bool_)):
            raise ParameterTypeError("nesterov", self.nesterov, "True or False")

    def _update(
        self, parameter: Array, gradient: Array, kept: Sequence[Array], count: int
    ) -> None:
        (velocity,) = kept
        velocity *= self.momentum
        velocity += gradient
        if self.nesterov:
            parameter -= self.learning_rate * (gradient + self.momentum * velocity)
        else:
            parameter -= self.learning_rate * velocity


@dataclass(frozen=True)
class Adam(Settings):
    """Adam, with bias correction, and weight decay decoupled from the gradient.

        m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g**2
        step = [m / (1 - beta1**t)] / [sqrt(v / (1 - beta2**t)) + epsilon]
        theta <- theta - rate * (step + weight_decay * theta)

    A component moves by about the rate whatever the scale of the gradient; the first
    step is the rate times the sign of g, up to epsilon / |g|.

    Parameters
    ----------
    learning_rate : float
        Positive.
    beta1, beta2 : float
        From 0 to below 1.
    epsilon : float
        Positive.
    weight_decay : float
        From 0; rate * weight_decay is the share of theta that an update removes.

    References
    ----------
    D. P. Kingma and J. Ba, Proc. ICLR (2015), arXiv:1412.6980, algorithm 1.
    I. Loshchilov and F. Hutter, Proc. ICLR (2019), arXiv:1711.05101 (the decay).

    Examples
    --------
    >>> theta = np.array([1.0, -2.0])
    >>> Adam(0.25, epsilon=1e-300).start(theta).update(theta, np.array([1e-6, -1e6]))
    >>> theta.round(12).tolist()
    [0.75, -1.75]
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    _kept: ClassVar[tuple[str, ...]] = ("first", "second")

    def __post_init__(self) -> None:
        super().__post_init__()
        checked = {
            "beta1": check_real("beta1", self.beta1, 0.0, 1.0, high_open=True),
            "beta2": check_real("beta2", self.beta2, 0.0, 1.0, high_open=True),
            "epsilon": check_real("epsilon", self.epsilon, 0.0, low_open=True),
            "weight_decay": check_real("weight_decay", self.weight_decay, 0.0),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def _update(
        self, parameter: Array, gradient: Array, kept: Sequence[Array], count: int
    ) -> None:
        first, second = kept
        first *= self.beta1
        first += (1.0 - self.beta1) * gradient
        second *= self.beta2
        second += (1.0 - self.beta2) * gradient * gradient
        scale = np.sqrt(second / (1.0 - self.beta2**count)) + self.epsilon
        step = first / (1.0 - self.beta1**count) / scale
        if self.weight_decay:
            step += self.weight_decay * parameter
        parameter -= self.learning_rate * step


def _check_arrays(name: str, value: Arrays, *, writable: bool = True) -> list[Array]:
    """One array, or each of a sequence, as a list; not copied."""
    allowed = "a floating-point array, or a sequence of such arrays"
    if isinstance(value, np.ndarray):
        arrays = [value]
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        arrays = list(value)
    else:
        raise ParameterTypeError(name, value, allowed)
    if not arrays:
        raise ParameterError(name, value, allowed)
    for array in arrays:
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
            raise ParameterTypeError(name, array, allowed, "a list of numbers is none")
        if writable and not array.flags.writeable:
            raise ParameterError(name, array, "writable", "it changes in place")
    return arrays
