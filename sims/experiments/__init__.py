"""The registry: name -> "module:class", imported on use."""

from __future__ import annotations

import importlib
from typing import Any

from statmech.errors import check_choice

REGISTRY = {
    "dense": "sims.experiments.dense:DenseStorage",
    "multitask": "sims.experiments.multitask:Multitask",
    "perceptron": "sims.experiments.perceptron:Perceptron",
    "continual": "sims.experiments.continual:Continual",
    "dbm": "sims.experiments.dbm:Dbm",
}

MEASUREMENTS = {
    "continual-epochs": "sims.experiments.continual_sweeps:Epochs",
    "continual-single": "sims.experiments.continual_sweeps:SingleTask",
    "continual-tasks": "sims.experiments.continual_sweeps:TwoTasks",
    "dbm-errors": "sims.experiments.dbm_sweeps:Errors",
    "dbm-iterations": "sims.experiments.dbm_sweeps:Iterations",
    "dbm-magnetisation": "sims.experiments.dbm_sweeps:Magnetisation",
    "dbm-solutions": "sims.experiments.dbm_sweeps:Solutions",
    "dense-retrieval": "sims.experiments.dense_sweeps:Retrieval",
    "dense-basin": "sims.experiments.dense_sweeps:Basin",
    "dense-hysteresis": "sims.experiments.dense_sweeps:Hysteresis",
    "dense-learning": "sims.experiments.learning_sweeps:Learning",
    "dense-ultra-storage": "sims.experiments.dense_sweeps:UltraStorage",
    "dense-min-examples": "sims.experiments.learning_sweeps:Demand",
    "multitask-losses": "sims.experiments.multitask_sweeps:Losses",
    "multitask-min-examples": "sims.experiments.multitask_sweeps:MinExamples",
    "multitask-states": "sims.experiments.multitask_sweeps:States",
    "perceptron-census": "sims.experiments.perceptron_sweeps:Enumeration",
    "perceptron-evolution": "sims.experiments.perceptron_sweeps:Evolution",
    "perceptron-potential": "sims.experiments.perceptron_sweeps:Neighbours",
    "perceptron-separation": "sims.experiments.perceptron_sweeps:Separation",
    "perceptron-students": "sims.experiments.perceptron_sweeps:Students",
}

SUMMARY = {
    "dense": (
        "P-spin Hebbian (Hopfield) network, stored patterns or noisy examples of them: "
        "m, q, energy of the retrieval state; spinodal, thermodynamic, glass, replicon "
        "and Nishimori lines"
    ),
    "multitask": (
        "diluted Hebbian network at low load, stored or learnt from examples: "
        "amplitudes of all patterns and energy of the pure, hierarchical, parallel and "
        "graded states"
    ),
    "perceptron": (
        "binary and spherical perceptron, teacher-student and storage: overlaps, "
        "generalisation and training errors of Gibbs, Bayes, maximum-stability and "
        "Hebb students; capacities, first-order point, spinodal, potential"
    ),
    "continual": (
        "binary perceptron that learns two tasks in turn: errors on both before and "
        "after, overlaps, forgetting, for message passing with a naive or the optimal "
        "hand-over, variational descent in field space, and its Gibbs measure"
    ),
    "dbm": (
        "Boltzmann machine with one mean field (monotone DBM): agreement of the "
        "solvers, certificate, contraction, bound on log Z, order of the error, "
        "Curie-Weiss, TAP, uniqueness, Gibbs chains; each beside a control"
    ),
}

REFERENCES = {
    "continual": (
        "C. Li, Z. Huang, W. Zou and H. Huang, Phys. Rev. E 108, 014309 (2023): "
        "learning in field space, the potential of two tasks.",
        "S. Franz and G. Parisi, J. Phys. I France 5, 1401 (1995): the potential.",
        "C. Baldassi et al., Phys. Rev. Lett. 120, 268103 (2018): stochastic binary "
        "weights, one task.",
        "D. L. Donoho, A. Maleki and A. Montanari, PNAS 106, 18914 (2009): message "
        "passing and its state evolution.",
        "D. P. Kingma and J. Ba, ICLR (2015): Adam.",
    ),
    "dense": (
        "J. J. Hopfield, PNAS 79, 2554 (1982): the network at P = 2.",
        "D. J. Amit, H. Gutfreund and H. Sompolinsky, Phys. Rev. Lett. 55, 1530 (1985) "
        "and Ann. Phys. 173, 30 (1987): replica-symmetric theory at P = 2.",
        "E. Gardner, J. Phys. A 20, 3453 (1987): multiconnected networks, P >= 3.",
        "L. F. Abbott and Y. Arian, Phys. Rev. A 36, 5091 (1987), and P. F. Baldi and "
        "S. S. Venkatesh, Phys. Rev. Lett. 58, 913 (1987): capacities at P >= 3.",
        "D. Krotov and J. J. Hopfield, NIPS 29 (2016): dense associative memory, "
        "coincident indices kept.",
        "J. R. L. de Almeida and D. J. Thouless, J. Phys. A 11, 983 (1978): replicon.",
        "H. Nishimori, Statistical Physics of Spin Glasses and Information Processing "
        "(Oxford, 2001): the line where m = q.",
        "E. Agliari, L. Albanese, F. Alemanno et al., Physica A 626, 129076 and 627, "
        "129143 (2023): supervised and unsupervised learning at P > 2.",
        "D. J. Gross and M. Mezard, Nucl. Phys. B 240, 431 (1984), and E. Gardner, "
        "Nucl. Phys. B 257, 747 (1985): the glass of P >= 3, one step of breaking.",
        "H. Steffan and R. Kuehn, Z. Phys. B 95, 249 (1994): broken replica symmetry "
        "in attractor networks.",
        "G. L. Steele, D. Lea and C. H. Flood, OOPSLA 2014: the random numbers.",
    ),
    "multitask": (
        "E. Agliari, A. Barra, A. Galluzzi, F. Guerra and F. Moauro, Phys. Rev. Lett. "
        "109, 268101 (2012): multitasking by diluted patterns.",
        "Parallel learning by multitasking neural networks, arXiv:2308.04106 (2023): "
        "supervised and unsupervised learning.",
    ),
    "perceptron": (
        "T. M. Cover, IEEE Trans. Electron. Comput. EC-14, 326 (1965), and E. Gardner, "
        "J. Phys. A 21, 257 (1988): capacity of the spherical perceptron.",
        "E. Gardner and B. Derrida, J. Phys. A 21, 271 (1988), and W. Krauth and M. "
        "Mezard, J. Phys. France 50, 3057 (1989): storage with binary weights.",
        "D. J. Amit, K. Y. M. Wong and C. Campbell, J. Phys. A 22, 2039 (1989): "
        "weights of constrained sign.",
        "G. Gyorgyi, Phys. Rev. A 41, 7097 (1990), and H. Sompolinsky, N. Tishby and "
        "H. S. Seung, Phys. Rev. Lett. 65, 1683 (1990): first-order transition to "
        "perfect learning.",
        "H. S. Seung, H. Sompolinsky and N. Tishby, Phys. Rev. A 45, 6056 (1992): "
        "learning at finite temperature.",
        "M. Opper and D. Haussler, Phys. Rev. Lett. 66, 2677 (1991), and M. Opper, W. "
        "Kinzel, J. Kleinz and R. Nehl, J. Phys. A 23, L581 (1990): Bayes and maximum "
        "stability.",
        "F. Vallet, Europhys. Lett. 8, 747 (1989): Hebb rule.",
        "H. Huang and Y. Kabashima, Phys. Rev. E 90, 052813 (2014): Franz-Parisi "
        "potential, isolated solutions.",
        "M. Mezard, J. Phys. A 22, 2181 (1989), Y. Kabashima and S. Uda, LNCS 3244, "
        "479 (2004), and D. L. Donoho, A. Maleki and A. Montanari, PNAS 106, 18914 "
        "(2009): message passing and its state evolution.",
    ),
    "dbm": (
        "D. H. Ackley, G. E. Hinton and T. J. Sejnowski, Cogn. Sci. 9, 147 (1985): "
        "Boltzmann machines.",
        "Z. Feng, E. Winston and J. Z. Kolter, Trans. Mach. Learn. Res. (2023), "
        "arXiv:2307.04990: monotone deep Boltzmann machines.",
        "E. Winston and J. Z. Kolter, Adv. Neural Inf. Process. Syst. 33, 10718 "
        "(2020): monotone operator equilibrium networks, operator splitting.",
        "P. Baque, T. Bagautdinov, F. Fleuret and P. Fua, CVPR (2016): damping in "
        "the natural parameters.",
        "H. F. Walker and P. Ni, SIAM J. Numer. Anal. 49, 1715 (2011): Anderson "
        "mixing.",
        "D. J. Thouless, P. W. Anderson and R. G. Palmer, Philos. Mag. 35, 593 (1977), "
        "and T. Plefka, J. Phys. A 15, 1971 (1982): TAP equations.",
        "D. Sherrington and S. Kirkpatrick, Phys. Rev. Lett. 35, 1792 (1975): the "
        "spin glass.",
        "S. Geman and D. Geman, IEEE Trans. PAMI 6, 721 (1984): Gibbs sampling.",
    ),
}


def load_experiment(name: str) -> Any:
    """The class of an experiment.

    Raises
    ------
    ParameterError
        If there is no experiment of that name; the message lists them.
    """
    check_choice("experiment", name, tuple(REGISTRY))
    return _load(REGISTRY[name])


def load_measurement(name: str) -> Any:
    """An instance of the measurement of that name.

    Raises
    ------
    ParameterError
        If there is none of that name; the message lists them.
    """
    check_choice("measurement", name, tuple(MEASUREMENTS))
    return _load(MEASUREMENTS[name])()


def _load(address: str) -> Any:
    module, attribute = address.split(":")
    return getattr(importlib.import_module(module), attribute)
