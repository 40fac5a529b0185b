"""What a user would write for mean field under evidence, and for the prox.

Every rival solves q = softmax(Phi q + b) for a batch of samples, every one with its own
observed variables, and stops where max |softmax(Phi q + b) - q| over the batch is at
most its tolerance. `solve(tol)` gives q (B, d) and products with Phi per sample.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from statmech.boltzmann.model import BoltzmannMachine
from statmech.monotone.parameterisation import from_factor
from statmech.monotone.solvers import solve

N_STATES = np.array([2] * 608 + [10])
KAPPA, OBSERVED = 0.9, 0.4
MOST_PRODUCTS = 20_000
# Of an Anderson window, and of its normal equations, relative to their trace.
WINDOW, RIDGE = 5, 1e-10
PUBLISHED_STEP = 0.125
# Damping is tuned among these, in units of 1 / (1 + |lambda_min| / 2), up to 1; it is
# proven to converge below 2.
TRIED = (2.7, 1.8, 2.2, 3.3, 4.0, 5.0, 6.5, 1.4)


@dataclass(frozen=True)
class Batch:
    """A model of 608 variables with two states and one with ten, and its samples.

    `rows` of the random factor; `common` is the part that all variables have in common,
    in units of the rest: it makes them repel each other.
    """

    name: str
    rows: int
    common: float
    n_samples: int = 100

    @cached_property
    def model(self) -> BoltzmannMachine:
        rng = np.random.default_rng(1)
        size = int(N_STATES.sum())
        free = rng.normal(size=(self.rows, size)) / np.sqrt(self.rows)
        direction = np.empty(size)
        for first, last in itertools.pairwise(np.r_[0, np.cumsum(N_STATES)]):
            v = rng.normal(size=last - first)
            v -= v.mean()
            direction[first:last] = v / np.linalg.norm(v)
        free += self.common * np.full((self.rows, 1), self.rows**-0.5) * direction
        # Norms well above the cap, which then acts on every variable.
        free *= 3.0 / np.linalg.norm(free, axis=0).mean()
        model = from_factor(free, rng.normal(size=size), N_STATES, kappa=KAPPA)
        model.spectrum()
        return model

    @cached_property
    def evidence(self) -> Any:
        """(B, n): states of 40 % of the variables, others in every sample; -1 else."""
        rng = np.random.default_rng(2)
        shape = (self.n_samples, N_STATES.size)
        states = rng.integers(0, N_STATES, shape)
        states[rng.random(shape) >= OBSERVED] = -1
        states[:, -1] = -1
        return states

    @cached_property
    def given(self) -> tuple[Any, Any]:
        """(hidden, start), (B, d): where nothing is observed, and where q starts."""
        layout = self.model.layout
        hidden = (self.evidence < 0)[:, layout.owner]
        values = layout.encode(np.maximum(self.evidence, 0))
        return hidden, np.where(hidden, layout.uniform(), values)

    @cached_property
    def solution(self) -> Any:
        """q (B, d) nearly to round-off; `residual` checks it."""
        return solve(self.model, evidence=self.evidence, tol=1e-12).last

    def residual(self) -> float:
        """Of `solution`, by no code of the package but Phi."""
        hidden, _ = self.given
        q = self.solution
        p = softmax(q @ self.model.potentials + self.model.biases)
        return float(np.abs(np.where(hidden, p - q, 0.0)).max())

    @property
    def smallest(self) -> float:
        return self.model.spectrum()[0]

    def few(self, n_samples: int) -> Batch:
        """The same model on the first samples."""
        part = Batch(self.name, self.rows, self.common, n_samples)
        part.__dict__["model"] = self.model
        part.__dict__["evidence"] = self.evidence[:n_samples]
        return part


BATCHES = (
    Batch("dense", 1226, 0.0),
    Batch("low rank", 128, 0.0),
    Batch("repulsive", 128, 0.3),
    Batch("strongly repulsive", 128, 1.0),
)


def blocks(x: Any) -> Iterator[Any]:
    """Views (B, g, k) of x (B, d), one a number of states."""
    place = 0
    for k, group in itertools.groupby(N_STATES.tolist()):
        size = k * len(list(group))
        yield x[:, place : place + size].reshape(x.shape[0], -1, k)
        place += size


def softmax(x: Any) -> Any:
    """Block by block; over the states in a loop, four times as fast as over an axis."""
    out = np.empty_like(x)
    for given, found in zip(blocks(x), blocks(out), strict=True):
        states = range(given.shape[2])
        top = given[:, :, 0]
        for s in states[1:]:
            top = np.maximum(top, given[:, :, s])
        np.exp(given - top[:, :, None], out=found)
        found /= sum(found[:, :, s] for s in states)[:, :, None]
    return out


def newton_prox(y: Any, a: float) -> Any:
    """a log x + (1 - a) x = y + nu, sum x = 1, along the last axis, 0 < a < 1.

    x by Wright's function, nu by Newton's method from the right end of its bracket.
    """
    from scipy.special import wrightomega

    b = 1.0 - a
    y = (y - y.max(axis=-1, keepdims=True)) / a + math.log(b / a)
    nu = np.full((*y.shape[:-1], 1), b, y.dtype)
    for _ in range(50):
        x = a / b * wrightomega(y + nu / a)
        step = (x.sum(axis=-1, keepdims=True) - 1.0) / (x / (a + b * x)).sum(
            axis=-1, keepdims=True
        )
        nu -= step
        if np.abs(step).max() <= 8.0 * np.finfo(y.dtype).eps:
            break
    return x / x.sum(axis=-1, keepdims=True)


def bisected_prox(y: Any, a: float) -> Any:
    """The same by bisection, as many halvings as the precision has digits."""
    from scipy.special import wrightomega

    b, k = 1.0 - a, y.shape[-1]
    y = (y - y.max(axis=-1, keepdims=True)) / a + math.log(b / a)
    low = np.full((*y.shape[:-1], 1), b / k - a * math.log(k), y.dtype)
    high = np.full_like(low, b)
    for _ in range(np.finfo(y.dtype).nmant + 4):
        nu = 0.5 * (low + high)
        above = wrightomega(y + nu / a).sum(axis=-1, keepdims=True) > b / a
        high, low = np.where(above, nu, high), np.where(above, low, nu)
    return a / b * wrightomega(y + 0.5 * (low + high) / a)


class Solver:
    """One way to solve a batch."""

    label = ""
    tol = 1e-4
    extra = ""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def solve(self, tol: float) -> tuple[Any, float]:
        """q (B, d), and products with Phi per sample."""
        raise NotImplementedError


class Package(Solver):
    """`statmech.monotone.solve`, all that the call does included."""

    label = "package"

    def solve(self, tol: float) -> tuple[Any, float]:
        found = solve(self.batch.model, evidence=self.batch.evidence, tol=tol)
        return found.last, float(np.mean(found.iterations))


class NumPySolver(Solver):
    """An iteration of NumPy calls; a dense product, or one with the factor."""

    def __init__(self, batch: Batch, *, low_rank: bool = False) -> None:
        super().__init__(batch)
        model = batch.model
        self.hidden, self.start = batch.given
        self.biases = model.biases
        self.product: Callable[[Any], Any] = lambda q: q @ model.potentials
        self.form = ", with the factor" if low_rank else ""
        if low_rank:
            factor = model.factor
            assert factor is not None
            own = [
                np.einsum("rgs,rgt->gst", part, part) for part in blocks(factor.copy())
            ]

            def product(q: Any) -> Any:
                out = -((q @ factor.T) @ factor)
                for x, y, d in zip(blocks(q), blocks(out), own, strict=True):
                    for s in range(x.shape[2]):
                        y += x[:, :, s, None] * d[:, s]
                return out

            self.product = product

    def change(self, q: Any) -> Any:
        """softmax(Phi q + b) - q, 0 where observed."""
        return np.where(self.hidden, softmax(self.product(q) + self.biases) - q, 0.0)

    def solve(self, tol: float) -> tuple[Any, float]:
        q = self.start.copy()
        for count in itertools.count(1):
            change = self.change(q)
            if np.abs(change).max() <= tol or count == MOST_PRODUCTS:
                return q + change, float(count)
            q = self.step(q, change)
        raise AssertionError

    def step(self, q: Any, change: Any) -> Any:
        raise NotImplementedError


class Damped(NumPySolver):
    """q <- (1 - w) q + w softmax(Phi q + b) with one w throughout."""

    def __init__(self, batch: Batch, weight: float, label: str, **options: Any) -> None:
        super().__init__(batch, **options)
        self.weight, self.extra = weight, f"w = {weight:.3g}"
        self.label = label + self.form

    def step(self, q: Any, change: Any) -> Any:
        q += self.weight * change
        return q


def tuned_weight(batch: Batch) -> float:
    """The w with the fewest products, found by trying on samples of this batch."""
    part, best, least = batch.few(10), 0.0, MOST_PRODUCTS
    weights = [min(1.0, scale / (1.0 - 0.5 * batch.smallest)) for scale in TRIED]
    for weight in dict.fromkeys(weights):
        damped = Damped(part, weight, "", low_rank=batch.model.low_rank)
        q = damped.start.copy()
        for count in range(1, least):
            change = damped.change(q)
            if np.abs(change).max() <= 1e-4:
                best, least = weight, count
                break
            q = damped.step(q, change)
    return best


class ForwardBackward(NumPySolver):
    """The published splitting: q <- prox((1 - a) q + a (Phi q + b)), a = 1/8."""

    label = "NumPy forward-backward, a = 1/8"

    def solve(self, tol: float) -> tuple[Any, float]:
        a, q = PUBLISHED_STEP, self.start.copy()
        for count in itertools.count(1):
            field = self.product(q) + self.biases
            p = np.where(self.hidden, softmax(field), q)
            if np.abs(p - q).max() <= tol or count == MOST_PRODUCTS:
                return p, float(count)
            y, x = (1.0 - a) * q + a * field, np.empty_like(q)
            for given, found in zip(blocks(y), blocks(x), strict=True):
                found[...] = newton_prox(given, a)
            q = np.where(self.hidden, x, q)
        raise AssertionError


class Mixed(NumPySolver):
    """Anderson mixing, a window of 5 a sample, over damping, as written for batches."""

    def __init__(self, batch: Batch, weight: float, **options: Any) -> None:
        super().__init__(batch, **options)
        self.weight, self.extra = weight, f"w = {weight:.3g}"
        self.label = "NumPy Anderson" + self.form

    def solve(self, tol: float) -> tuple[Any, float]:
        q = self.start.copy()
        shape = (q.shape[0], WINDOW, q.shape[1])
        points, changes = np.zeros(shape), np.zeros(shape)
        for count in itertools.count(1):
            change = self.change(q)
            if np.abs(change).max() <= tol or count == MOST_PRODUCTS:
                return q + change, float(count)
            slot, filled = (count - 1) % WINDOW, min(count, WINDOW)
            points[:, slot], changes[:, slot] = q, change
            f = changes[:, :filled]
            gram = f @ f.transpose(0, 2, 1)
            trace = np.trace(gram, axis1=1, axis2=2)
            gram += RIDGE * trace[:, None, None] * np.eye(filled)
            share = np.linalg.solve(gram, np.ones((q.shape[0], filled, 1)))
            share /= share.sum(axis=1, keepdims=True)
            mixed = points[:, :filled] + self.weight * f
            q = (share.transpose(0, 2, 1) @ mixed)[:, 0]
        raise AssertionError


class Jax(Solver):
    """The damped iteration in one compiled loop; compiled at the first call."""

    def __init__(
        self, batch: Batch, weight: float, kind: str, *, low_rank: bool = False
    ) -> None:
        import jax

        super().__init__(batch)
        jax.config.update("jax_enable_x64", True)
        self.label, self.extra = f"JAX damped, {kind}", f"w = {weight:.3g}"
        put = self.put = partial(jax.numpy.asarray, dtype=kind)
        hidden, start = batch.given
        model = batch.model
        if low_rank:
            assert model.factor is not None
            own = [np.einsum("rgs,rgt->gst", x, x) for x in blocks(model.factor.copy())]
            phi = put(model.factor), [put(block) for block in own]
            self.label += ", with the factor"
        else:
            phi = put(model.potentials)
        self.arguments = phi, put(model.biases), hidden, put(start), put(weight)
        self.loop = jax.jit(jax_loop)

    def solve(self, tol: float) -> tuple[Any, float]:
        q, count = self.loop(*self.arguments, self.put(tol))
        return np.asarray(q, np.float64), float(count)


def jax_loop(phi: Any, b: Any, hidden: Any, start: Any, weight: Any, tol: Any) -> Any:
    """(p, products): phi is Phi, or (A, diagonal blocks of A^T A)."""
    import jax.numpy as jnp
    from jax import lax

    def joined(parts: Any) -> Any:
        flat = [part.reshape(part.shape[0], -1) for part in parts]
        return jnp.concatenate(flat, axis=1)

    def product(q: Any) -> Any:
        if not isinstance(phi, tuple):
            return q @ phi
        factor, own = phi
        pairs = zip(blocks(q), own, strict=True)
        near = joined([jnp.einsum("bgs,gst->bgt", x, d) for x, d in pairs])
        return near - (q @ factor.T) @ factor

    def softmax_of(x: Any) -> Any:
        weights = jnp.exp(x - x.max(axis=2, keepdims=True))
        return weights / weights.sum(axis=2, keepdims=True)

    def image(q: Any) -> Any:
        parts = [softmax_of(x) for x in blocks(product(q) + b)]
        return jnp.where(hidden, joined(parts), q)

    def body(state: Any) -> Any:
        q, p, count = state
        q = q + weight * (p - q)
        return q, image(q), count + 1

    def going(state: Any) -> Any:
        q, p, count = state
        return (jnp.abs(p - q).max() > tol) & (count < MOST_PRODUCTS)

    _, p, count = lax.while_loop(going, body, (start, image(start), 1))
    return p, count


def solvers(batch: Batch) -> list[Solver]:
    """The package first; what diverges is left out, and what is not installed."""
    weight, low_rank = tuned_weight(batch), batch.model.low_rank
    found: list[Solver] = [Package(batch)]
    forms = (False, True) if low_rank else (False,)
    for form in forms:
        found.append(Damped(batch, weight, "NumPy damped", low_rank=form))
        found.append(Mixed(batch, weight, low_rank=form))
    try:
        found.append(Jax(batch, weight, "float64"))
        found += [Jax(batch, weight, "float32", low_rank=form) for form in forms]
    except ImportError as error:
        print(f"JAX is left out: {error}", file=sys.stderr)
    # Its step must be below 2 / |lambda_min|.
    if -batch.smallest < 2.0 / PUBLISHED_STEP:
        found.append(ForwardBackward(batch))
    return found
