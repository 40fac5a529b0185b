"""Pairwise Boltzmann machines for the tests, by name: each call makes a new one.

`SMALL` have few enough states to be counted, `LARGE` have not.
"""

import itertools
import math

import mpmath
import numpy as np

from statmech.boltzmann.layout import Layout
from statmech.boltzmann.model import BoltzmannMachine

SIGNS = np.array([[1.0, -1.0], [-1.0, 1.0]])


def random_potentials(n_states, seed, scale=1.0):
    """Gaussian potentials between all pairs; not gauge fixed."""
    layout = Layout(np.array(n_states, dtype=np.int64))
    draw = np.random.default_rng(seed)
    phi = scale * draw.normal(size=(layout.size, layout.size))
    phi = np.triu(phi, 1)
    phi = phi + phi.T
    for first, last in layout.ranges():
        phi[first:last, first:last] = 0.0
    return phi, layout


def with_largest(model, largest):
    """The model with its potentials scaled so that lambda_max is `largest`."""
    factor = largest / model.spectrum()[1]
    return BoltzmannMachine(factor * model.potentials, model.biases, model.n_states)


def ising(couplings, fields):
    """Spins +-1, +1 first: written out here, independent of `from_ising`."""
    fields = np.asarray(fields, dtype=np.float64)
    b = np.stack([fields, -fields], axis=1).ravel()
    return BoltzmannMachine(np.kron(couplings, SIGNS), b, 2)


def one_variable():
    return BoltzmannMachine(np.zeros((4, 4)), [0.3, -1.2, 0.0, 2.0], 4)


def no_potentials():
    b = np.random.default_rng(1).normal(size=9)
    return BoltzmannMachine(np.zeros((9, 9)), b, [2, 3, 4])


def constant_variable():
    """Variables 0 and 2 have one state only: they are biases for the others."""
    phi, layout = random_potentials([1, 3, 1, 2], 2, 0.5)
    b = np.random.default_rng(3).normal(size=layout.size)
    return BoltzmannMachine(phi, b, layout.n_states)


def mixed_states():
    """2, 3, 5, 2 and 4 states, gauge not fixed, lambda_max about 1.3."""
    phi, layout = random_potentials([2, 3, 5, 2, 4], 4, 0.35)
    b = np.random.default_rng(5).normal(size=layout.size)
    return BoltzmannMachine(phi, b, layout.n_states)


def curie_weiss(n=9, coupling=0.8, field=0.1):
    """J = coupling / N between all pairs."""
    j = (coupling / n) * (np.ones((n, n)) - np.eye(n))
    return ising(j, np.full(n, field))


def ferromagnet():
    """Curie-Weiss below its transition: several solutions, field 0."""
    return curie_weiss(10, 2.0, 0.0)


def antiferromagnet():
    """Curie-Weiss of coupling -6: one solution, but parallel updates have 2-cycles."""
    return curie_weiss(12, -6.0, 0.05)


def sk(n=10, beta=0.4, seed=6, field=0.2):
    """Sherrington-Kirkpatrick: J Gaussian of variance beta^2 / N, Gaussian fields."""
    draw = np.random.default_rng(seed)
    g = np.triu(draw.normal(size=(n, n)), 1)
    return ising(beta / np.sqrt(n) * (g + g.T), field * draw.normal(size=n))


def hopfield_patterns(n=200, p=5, seed=7):
    return np.random.default_rng(seed).choice([-1.0, 1.0], size=(p, n))


def hopfield(n=200, p=5, beta=2.0, seed=7):
    """J = beta xi^T xi / N, hollow: memories, hence lambda_max > 2."""
    xi = hopfield_patterns(n, p, seed)
    j = beta * xi.T @ xi / n
    np.fill_diagonal(j, 0.0)
    return ising(j, np.zeros(n))


def paper_class():
    """lambda_max = 0.9."""
    phi, layout = random_potentials([3] * 7, 8)
    b = np.random.default_rng(9).normal(size=layout.size)
    return with_largest(BoltzmannMachine(phi, b, 3), 0.9)


def wide_class():
    """lambda_max = 1.9."""
    phi, layout = random_potentials([2, 3, 3, 2, 4, 3], 10)
    b = 0.5 * np.random.default_rng(11).normal(size=layout.size)
    return with_largest(BoltzmannMachine(phi, b, layout.n_states), 1.9)


def strong_repulsion(n=40, k=3, kappa=1.4):
    """lambda_max <= 1.4, lambda_min about -55: all pairs repel nearly alike."""
    draw = np.random.default_rng(12)
    common = draw.normal(size=(k, k))
    columns = []
    for _ in range(n):
        a = common + 0.05 * draw.normal(size=(k, k))
        a -= a.mean(axis=1, keepdims=True)
        # Equal singular values on the tangent space: as strong as the class admits.
        u, s, v = np.linalg.svd(a)
        s = np.where(s > 1e-8 * s[0], np.sqrt(kappa), 0.0)
        columns.append(u @ np.diag(s) @ v)
    a = np.concatenate(columns, axis=1)
    layout = Layout(np.full(n, k, dtype=np.int64))
    phi = -(a.T @ a)
    for first, last in layout.ranges():
        phi[first:last, first:last] = 0.0
    b = draw.normal(size=layout.size)
    return BoltzmannMachine(phi, b, k)


def low_rank(n=8, k=3, rank=4, seed=13):
    """Kept as a factor A (rank, d)."""
    draw = np.random.default_rng(seed)
    a = draw.normal(size=(rank, n * k)) / np.sqrt(n)
    layout = Layout(np.full(n, k, dtype=np.int64))
    return BoltzmannMachine._from_factor(a, draw.normal(size=n * k), layout)


def construct(largest):
    """Two variables of 3 states, Phi_12 = largest/2 v v^T with v = (1, -1, 0).

    lambda_max is `largest`; the third states are suppressed, so that mean field has one
    solution up to 2 and three beyond (up to e^-40).
    """
    v = np.array([1.0, -1.0, 0.0])
    phi = np.zeros((6, 6))
    phi[:3, 3:] = phi[3:, :3] = 0.5 * largest * np.outer(v, v)
    return BoltzmannMachine(phi, [0.0, 0.0, -40.0] * 2, 3)


def construct_below():
    return construct(1.999)


def construct_above():
    return construct(2.001)


SMALL = {
    "one_variable": one_variable,
    "no_potentials": no_potentials,
    "constant_variable": constant_variable,
    "mixed_states": mixed_states,
    "curie_weiss": curie_weiss,
    "ferromagnet": ferromagnet,
    "antiferromagnet": antiferromagnet,
    "sk": sk,
    "paper_class": paper_class,
    "wide_class": wide_class,
    "low_rank": low_rank,
    "construct_below": construct_below,
    "construct_above": construct_above,
}
LARGE = {"hopfield": hopfield, "strong_repulsion": strong_repulsion}
CASES = SMALL | LARGE
# Where mean field is unique, whatever the biases.
UNIQUE = [
    name for name in CASES if name not in ("ferromagnet", "hopfield", "construct_above")
]


def brute_force(model, states=None):
    """log Z, <x>, <x x^T> by loops over states and pairs, sums in 30 digits.

    `states` as hard evidence: -1 for what is summed over.
    """
    n = model.n_variables
    fixed = [-1] * n if states is None else list(states)
    choices = [
        range(k) if s < 0 else [s]
        for k, s in zip(model.n_states.tolist(), fixed, strict=True)
    ]
    phi, b = model.potentials.tolist(), model.biases.tolist()
    first = model.layout.offsets.tolist()
    exponents, places = [], []
    for joint in itertools.product(*choices):
        at = [first[i] + s for i, s in enumerate(joint)]
        terms = [b[r] for r in at]
        terms += [phi[at[i]][at[j]] for i in range(n) for j in range(i)]
        exponents.append(math.fsum(terms))
        places.append(at)
    with mpmath.workdps(30):
        z = mpmath.fsum(mpmath.exp(e) for e in exponents)
        log_z = float(mpmath.log(z))
        weights = [float(mpmath.exp(e) / z) for e in exponents]
    mean, pairs = np.zeros(model.size), np.zeros((model.size,) * 2)
    for weight, at in zip(weights, places, strict=True):
        mean[at] += weight
        pairs[np.ix_(at, at)] += weight
    return log_z, mean, pairs


def joint_law(model):
    """(states (S, n), probabilities (S,)) of all joint states, the last one fastest."""
    counts = model.n_states.tolist()
    states = np.array(list(itertools.product(*map(range, counts))), dtype=np.int64)
    weight = np.array([one_exponent(model, state) for state in states])
    weight = np.exp(weight - weight.max())
    return states, weight / weight.sum()


def one_exponent(model, state):
    """x.Phi x / 2 + b.x by a loop over pairs."""
    at = [first + s for (first, _), s in zip(model.layout.ranges(), state, strict=True)]
    pairs = [model.potentials[p, q] for p, q in itertools.combinations(at, 2)]
    return math.fsum([*pairs, *model.biases[at]])


def softmax(model, logits):
    out = np.empty_like(logits)
    for first, last in model.layout.ranges():
        part = np.exp(logits[first:last] - logits[first:last].max())
        out[first:last] = part / part.sum()
    return out


def newton(model, q, n_steps=50):
    """Newton on q - softmax(Phi q + b), to round-off, from a start near enough."""
    d = model.size
    same = model.layout.owner[:, None] == model.layout.owner
    for _ in range(n_steps):
        p = softmax(model, model.potentials @ q + model.biases)
        jacobian = np.diag(p) - same * np.outer(p, p)
        step = np.linalg.solve(np.eye(d) - jacobian @ model.potentials, p - q)
        q = q + step
        if np.abs(step).max() < 1e-15:
            break
    return q


def random_starts(model, rows, seed=0, concentration=0.5):
    draw = np.random.default_rng(seed)
    blocks = [draw.dirichlet(np.full(k, concentration), rows) for k in model.n_states]
    return np.concatenate(blocks, axis=1)


def reduced(model, states):
    """The machine of the hidden variables of hard evidence, and their components."""
    x = model.layout.encode(np.maximum(states, 0))
    seen = np.asarray(states)[model.layout.owner] >= 0
    x[~seen] = 0.0
    phi = model.potentials[np.ix_(~seen, ~seen)]
    b = (model.biases + model.potentials @ x)[~seen]
    return BoltzmannMachine(phi, b, model.n_states[np.asarray(states) < 0]), ~seen


def slope(errors, scales):
    """Of log(errors) against log(scales)."""
    return float(np.polyfit(np.log(scales), np.log(errors), 1)[0])
