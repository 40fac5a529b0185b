"""Options of `statmech check`, by experiment."""

from __future__ import annotations

_TEMPERATURE = "temperature, units J = 1, k_B = 1"

# flags, parameter, type, help
CHECK_OPTIONS: dict[str, list[tuple[tuple[str, ...], str, type, str]]] = {
    "continual": [
        (("--alpha1",), "alpha1", float, "load P / N of the first task"),
        (("--alpha2",), "alpha2", float, "load of the second"),
        (
            ("-r", "--teacher-correlation"),
            "teacher_correlation",
            float,
            "r0 = W1.W2 / N, from -1 to 1 (default 0)",
        ),
        (("--gamma",), "gamma", float, "strength of the hand-over (default 1)"),
        (
            ("--learner",),
            "learner",
            str,
            "amp-naive (default), amp-optimal, or field-space: Monte Carlo",
        ),
        (("--beta",), "beta", float, "inverse temperature of field-space (default 5)"),
        (("-N", "--n-spins"), "n_spins", int, "number of weights; the other is N / 2"),
        (("--samples",), "n_samples", int, "disorder samples a size, at least 6"),
        (("--iterations",), "n_iterations", int, "most iterations of message passing"),
        (("--sweeps",), "n_sweeps", int, "measured sweeps a chain"),
        (("--burn-in",), "n_burn_in", int, "sweeps discarded before"),
        (("--seed",), "seed", int, "any integer >= 0 (default 0)"),
    ],
    "dense": [
        (("--order",), "order", int, "order of interaction P >= 2 (default 2)"),
        (("--alpha",), "alpha", float, "load K / N**(P-1), below the spinodal"),
        (("-T", "--temperature"), "temperature", float, _TEMPERATURE),
        (("-N", "--n-spins"), "n_spins", int, "largest size; the other is 0.7 N"),
        (("--samples",), "n_samples", int, "disorder samples a size, at least 6"),
        (("--sweeps",), "n_sweeps", int, "measured sweeps a chain"),
        (("--burn-in",), "n_burn_in", int, "sweeps discarded before"),
        (("--coincident",), "coincident", str, "exclude (default) or keep"),
        (("--protocol",), "protocol", str, "storage, supervised or unsupervised"),
        (("-M", "--examples"), "n_examples", int, "examples of each pattern"),
        (("-r", "--quality"), "quality", float, "their mean agreement, 0 < r <= 1"),
        (("--seed",), "seed", int, "any integer >= 0 (default 0)"),
    ],
    "multitask": [
        (("-K", "--patterns"), "n_patterns", int, "number of patterns, 1 to 12"),
        (("-d", "--dilution"), "dilution", float, "fraction of blank entries, < 1"),
        (("-T", "--temperature"), "temperature", float, _TEMPERATURE),
        (("-N", "--n-spins"), "n_spins", int, "larger size; the other is half of it"),
        (("--start",), "start", str, "hierarchical (default), pure or parallel"),
        (("--disorder",), "patterns", str, "class-exact (default) or independent"),
        (("--protocol",), "protocol", str, "storage, supervised or unsupervised"),
        (("-M", "--examples"), "n_examples", int, "examples of each pattern"),
        (("-r", "--quality"), "quality", float, "their mean agreement, 0 < r <= 1"),
        (("--samples",), "n_samples", int, "disorder samples a size, at least 6"),
        (("--sweeps",), "n_sweeps", int, "measured sweeps a chain"),
        (("--burn-in",), "n_burn_in", int, "sweeps discarded before"),
        (("--seed",), "seed", int, "any integer >= 0 (default 0)"),
    ],
    "perceptron": [
        (("--alpha",), "alpha", float, "load P / N"),
        (("-T", "--temperature"), "temperature", float, "T > 0 of binary-gibbs"),
        (
            ("--student",),
            "student",
            str,
            "binary-gibbs (default at T > 0), binary-bayes (at T = 0), "
            "spherical-bayes, spherical-max-margin or spherical-hebb",
        ),
        (("-N", "--n-spins"), "n_spins", int, "number of weights; the other is N / 2"),
        (("--labels",), "labels", str, "teacher (default) or random: storage"),
        (("--kappa",), "kappa", float, "margin of the storage problem (default 0)"),
        (("--start",), "start", str, "of the chains: random (default) or teacher"),
        (("--samples",), "n_samples", int, "disorder samples a size, at least 6"),
        (("--sweeps",), "n_sweeps", int, "measured sweeps a chain"),
        (("--burn-in",), "n_burn_in", int, "sweeps discarded before"),
        (("--iterations",), "n_iterations", int, "most iterations of message passing"),
        (("--seed",), "seed", int, "any integer >= 0 (default 0)"),
    ],
    "dbm": [
        (("-n", "--n-spins"), "n_spins", int, "variables, all states are summed (8)"),
        (("-k", "--n-states"), "n_states", int, "states of each, from 2 (default 3)"),
        (("--kappa",), "kappa", float, "cap on lambda_max, in (0, 2) (default 0.9)"),
        (("--samples",), "n_samples", int, "random models (default 12)"),
        (("--starts",), "n_starts", int, "random starts of each (default 50)"),
        (("--seed",), "seed", int, "any integer >= 0 (default 0)"),
    ],
}
