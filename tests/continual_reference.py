"""Slow twins of the theory of learning in field space: its formulas on dense grids.

Trapezoidal sums in z and in the stability u itself, Gauss-Legendre in m = sin(pi x / 2)
on both halves, scipy's distribution function. No panels, no substitution towards the
places where the integrands switch.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import log_ndtr, ndtr, xlog1py

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


def gaussian_grid(n, reach=9.5):
    z = np.linspace(-reach, reach, n)
    return z, np.exp(-0.5 * z * z - LOG_SQRT_2PI) * (z[1] - z[0])


def half_nodes(n):
    """m in (0, 1) and weights, dense at 1."""
    x, w = np.polynomial.legendre.leggauss(n)
    angle = 0.25 * math.pi * (x + 1.0)
    return np.sin(angle), 0.25 * math.pi * w * np.cos(angle)


def entropy(m):
    return 0.5 * (xlog1py(1 + m, m) + xlog1py(1 - m, -m))


def divergence(m, m1):
    """KL of the Bernoulli law of mean m from that of mean m1."""
    return 0.5 * (1 + m) * np.log((1 + m) / (1 + m1)) + 0.5 * (1 - m) * np.log(
        (1 - m) / (1 - m1)
    )


def pattern(omega, v, gap, beta, n=801):
    """log norm, <psi>, <psi**2>, <u psi>, <-log Phi> by a sum over stabilities u."""
    out = np.empty((5, omega.size))
    root = math.sqrt(gap)
    wide, window = np.linspace(-12.0, 150.0, 1201), np.linspace(-12.0, 12.0, n)
    for i in range(0, omega.size, 200):
        part = slice(i, i + 200)
        rough = (omega[part, None] + math.sqrt(v) * wide) / root
        # The weight is largest far from 0 where omega is far below it.
        centre = wide[(beta * log_ndtr(rough) - 0.5 * wide**2).argmax(axis=1)]
        assert centre.max() < 149.0
        x = centre[:, None] + window
        u = (omega[part, None] + math.sqrt(v) * x) / root
        log_cdf = log_ndtr(u)
        psi = np.exp(-0.5 * u * u - LOG_SQRT_2PI - log_cdf)
        exponent = beta * log_cdf - 0.5 * x * x
        top = exponent.max(axis=1, keepdims=True)
        w = np.exp(exponent - top)
        norm = w.sum(axis=1)
        step = window[1] - window[0]
        out[0, part] = top[:, 0] + np.log(norm * step) - LOG_SQRT_2PI
        for row, f in enumerate((psi, psi**2, u * psi, -log_cdf), start=1):
            out[row, part] = (w * f).sum(axis=1) / norm
    return out


def fields(q, r, q_star, alpha, beta, n=1601):
    """r_hat, q_hat, a, loss, int Dz 2 Phi g'**2 from the printed equations."""
    gap, v = 1.0 - q_star, q_star - q
    spread = math.sqrt(q - r * r)
    z, wz = gaussian_grid(n)
    share = 2.0 * ndtr(r * z / spread) * wz
    _, psi, square, mixed, loss = pattern(math.sqrt(q) * z, v, gap, beta)
    g = beta * psi / math.sqrt(gap)
    slope = beta**2 * square / gap - g**2 - beta * (mixed + square) / gap
    q_hat = alpha * (share @ g**2)
    conjugate = 0.5 * alpha * (beta**2 - beta) * (share @ square) / gap
    linear = beta / math.sqrt(gap) * pattern(spread * z, v, gap, beta)[1] @ wz
    r_hat = 2.0 * alpha / math.sqrt(2.0 * math.pi) * linear
    return r_hat, q_hat, conjugate - 0.5 * q_hat, share @ loss, share @ slope**2


def site(h, a, log_prior=None, n=300):
    """log norm, <m>, <m**2>, <sign m> in fields h (k,); log_prior(m) as (k, n)."""
    m, w = half_nodes(n)
    m, w = np.concatenate([-m[::-1], m]), np.concatenate([w[::-1], w])
    out = np.empty((4, h.size))
    for i in range(0, h.size, 200):
        part = slice(i, i + 200)
        exponent = a * m * m + h[part, None] * m
        if log_prior is not None:
            exponent = exponent + log_prior(m)
        top = exponent.max(axis=1, keepdims=True)
        weight = np.exp(exponent - top) * w
        norm = weight.sum(axis=1)
        out[0, part] = top[:, 0] + np.log(norm)
        for row, f in enumerate((m, m * m, np.sign(m)), start=1):
            out[row, part] = weight @ f / norm
    return out


def single_image(q, r, q_star, alpha, beta, n=1601):
    """(q, r, q_star), p, loss and replicon of the right-hand sides."""
    r_hat, q_hat, a, loss, curvature = fields(q, r, q_star, alpha, beta, n)
    z, wz = gaussian_grid(n)
    _, mean, square, sign = site(math.sqrt(q_hat) * z + r_hat, a)
    overlaps = (wz @ mean**2, wz @ mean, wz @ square)
    replicon = alpha * curvature * (wz @ (square - mean**2) ** 2)
    return overlaps, wz @ sign, loss, replicon


def free_entropy(q, r, q_star, q_hat, r_hat, a, alpha, beta, n=1601):
    """Per weight, as a function of all order parameters and conjugates."""
    z, wz = gaussian_grid(n)
    log_norm = site(math.sqrt(q_hat) * z + r_hat, a)[0]
    share = 2.0 * ndtr(r * z / math.sqrt(q - r * r)) * wz
    energy = pattern(math.sqrt(q) * z, q_star - q, 1.0 - q_star, beta)[0]
    return (
        0.5 * q * q_hat
        - r * r_hat
        - q_star * (a + 0.5 * q_hat)
        + wz @ log_norm
        + alpha * (share @ energy)
    )


def density(m1, q_hat, r_hat, a, n=801):
    """Of m1 in the first task."""
    z, wz = gaussian_grid(n)
    h = math.sqrt(q_hat) * z + r_hat
    log_norm = site(h, a)[0]
    return np.exp(a * m1[:, None] ** 2 + m1[:, None] * h - log_norm) @ wz


def second_site(m1, weights, fields2, beta, gamma, r0, n_x=241):
    """Averages over m given m1 (k,): q2, r2, q2_star, t, p1, p2, <(variance)**2>."""
    r_hat, q_hat, a = fields2
    x, wx = gaussian_grid(n_x, 8.0)
    total = np.zeros(7)
    for m1_i, w in zip(m1, weights, strict=True):
        for b in (1, -1):
            h = math.sqrt(q_hat) * x + r_hat * b
            _, mean, square, sign = site(
                h,
                a,
                lambda m, m1_i=m1_i: -beta * gamma * divergence(m, m1_i),
                n=120,
            )
            rows = (mean**2, b * mean, square, mean, sign, b * sign)
            rows = (*rows, (square - mean**2) ** 2)
            total += w * 0.5 * (1 + r0 * b) * np.array([wx @ row for row in rows])
    return total
