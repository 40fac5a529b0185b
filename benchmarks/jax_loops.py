"""The same Monte Carlo in JAX: one compiled loop over trials, float32.

Energies as in `benchmarks.naive`. The state is donated, so that it may be updated in
place; spins take one byte each, because XLA copies all of them where one is both read
and written in an update.

`ahead` says where the random numbers come from: a key split at every update, as JAX's
own documentation has it, or sites and uniforms of a whole sweep drawn before it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def _sweeps(update: Any, s: Any, m: Any, n_sweeps: Any, key: Any, ahead: bool) -> Any:
    """Apply update(s, m, site, uniform) -> (s, m, moved) in n_sweeps * N trials."""
    n = s.size

    def trial(t: Any, state: Any, sites: Any = None, uniforms: Any = None) -> Any:
        s, m, accepted, key = state
        if ahead:
            i, u = sites[t], uniforms[t]
        else:
            key, a, b = jax.random.split(key, 3)
            i, u = jax.random.randint(a, (), 0, n), jax.random.uniform(b)
        s, m, moved = update(s, m, i, u)
        return s, m, accepted + moved, key

    def sweep(_: Any, state: Any) -> Any:
        if not ahead:
            return lax.fori_loop(0, n, trial, state)
        s, m, accepted, key = state
        key, a, b = jax.random.split(key, 3)
        sites = jax.random.randint(a, (n,), 0, n)
        drawn = partial(trial, sites=sites, uniforms=jax.random.uniform(b, (n,)))
        return lax.fori_loop(0, n, drawn, (s, m, accepted, key))

    return lax.fori_loop(0, n_sweeps, sweep, (s, m, 0, key))[:3]


@partial(jax.jit, static_argnames=("p", "ahead"), donate_argnames=("s", "m"))
def power_loop(
    xi: Any, s: Any, m: Any, beta: Any, p: int, n_sweeps: Any, key: Any, ahead: bool
) -> Any:
    """P = p Metropolis: xi (N, K) and m (K,) float32, s (N,) int8."""
    unit = p * float(s.size) ** (p - 1)

    def update(s: Any, m: Any, i: Any, u: Any) -> Any:
        old = s[i]
        after = m - 2.0 * old.astype(jnp.float32) * xi[i]
        cost = (m**p - after**p).sum() / unit
        yes = u < jnp.exp(-beta * cost)
        return s.at[i].set(jnp.where(yes, -old, old)), jnp.where(yes, after, m), yes

    return _sweeps(update, s, m, n_sweeps, key, ahead)


@partial(jax.jit, static_argnames=("p", "ahead"), donate_argnames=("s", "m"))
def overlap_loop(
    xi: Any, s: Any, m: Any, beta: Any, p: int, n_sweeps: Any, key: Any, ahead: bool
) -> Any:
    """P = 2 heat bath, blank entries allowed: xi, m float32, s (N,) int8."""

    def update(s: Any, m: Any, i: Any, u: Any) -> Any:
        x, old = xi[i], s[i].astype(jnp.float32)
        h = (x * (m - x * old)).sum() / (s.size - 1)
        new = jnp.where(u * (1.0 + jnp.exp(-2.0 * beta * h)) < 1.0, 1.0, -1.0)
        return s.at[i].set(new.astype(jnp.int8)), m + (new - old) * x, new != old

    return _sweeps(update, s, m, n_sweeps, key, ahead)
