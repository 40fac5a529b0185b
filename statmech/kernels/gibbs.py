"""Gibbs sampling of one-hot coded variables: a new state from its conditional law.

Fields h = Phi x + b are kept: a change of x_i adds one row of Phi and takes another.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from statmech.jit import kernel
from statmech.rng import uniform53_of, word


class Chains(NamedTuple):
    """State of C chains; all arrays are changed in place."""

    states: Any  # (C, n) int64
    fields: Any  # (C, d) float64, Phi x + b
    keys: Any  # (C, 2) uint64, streams
    scratch: Any  # (largest number of states,) float64


@kernel
def sweep_chains(phi, offsets, hidden, chains, clock, n_sweeps, means):
    """Sweeps over the variables `hidden` (n_hidden,) in order, in every chain.

    phi (d, d) symmetric and block hollow; `clock` sweeps were made before: trial j of
    sweep t takes word (t n_hidden + j) of the stream of its chain. The conditional
    probabilities that the states are drawn from are added to means (C, d).
    """
    states, fields, keys, weights = chains
    n_hidden, d = hidden.size, phi.shape[0]
    for c in range(states.shape[0]):
        for sweep in range(clock, clock + n_sweeps):
            for j in range(n_hidden):
                i = hidden[j]
                first, k = offsets[i], offsets[i + 1] - offsets[i]
                top = fields[c, first]
                for s in range(1, k):
                    top = max(top, fields[c, first + s])
                total = 0.0
                for s in range(k):
                    weights[s] = math.exp(fields[c, first + s] - top)
                    total += weights[s]
                left = total * uniform53_of(word(keys[c], sweep * n_hidden + j))
                old, new = states[c, i], -1
                for s in range(k):
                    means[c, first + s] += weights[s] / total
                    # Rounding may leave a rest after the last state that has weight.
                    if weights[s] > 0.0 and left >= 0.0:
                        new = s
                        left -= weights[s]
                if new != old:
                    states[c, i] = new
                    for t in range(d):
                        fields[c, t] += phi[first + new, t] - phi[first + old, t]


@kernel
def measure_chains(biases, offsets, chains, draw, states, exponents):
    """States (C, draws, n) and exponents x.Phi x / 2 + b.x (C, draws) of a draw."""
    for c in range(chains.states.shape[0]):
        total = 0.0
        for i in range(chains.states.shape[1]):
            s = chains.states[c, i]
            states[c, draw, i] = s
            total += chains.fields[c, offsets[i] + s] + biases[offsets[i] + s]
        exponents[c, draw] = 0.5 * total


@kernel
def draw_chains(
    phi, biases, offsets, hidden, chains, clock, thin, first, last, means, out
):
    """Draws `first` to `last` - 1, each after `thin` sweeps; out = (states, exponents).

    means (parts, C, d): draw t of all of them goes to part t parts // draws.
    """
    n_parts, n_draws = means.shape[0], out[1].shape[1]
    for draw in range(first, last):
        part = means[draw * n_parts // n_draws]
        sweep_chains(phi, offsets, hidden, chains, clock, thin, part)
        measure_chains(biases, offsets, chains, draw, out[0], out[1])
        clock += thin
