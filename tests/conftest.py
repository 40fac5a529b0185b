"""Levels: every commit by default, the full forms with `--nightly`.

Tests that break things note what they did as properties of their report; the full
forms end with a table of them.
"""

import pytest

# Property -> what the table calls it; the last is a maximum, the others are summed.
RELIABILITY = {
    "kills": "kills",
    "points_lost": "points lost",
    "points_duplicated": "points duplicated",
    "points_recomputed": "points recomputed",
    "corruptions": "corruptions tried",
    "corruptions_harmless": "... that changed nothing that is read",
    "corruptions_detected": "... detected",
    "bad_inputs": "bad inputs tried",
    "bad_inputs_refused": "bad inputs refused",
    "refusal_seconds": "slowest refusal, s",
}


def pytest_addoption(parser):
    parser.addoption(
        "--nightly", action="store_true", help="also run the full forms of the tests"
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--nightly"):
        return
    skip = pytest.mark.skip(reason="full form: run with --nightly")
    for item in items:
        if "nightly" in item.keywords:
            item.add_marker(skip)


def pytest_terminal_summary(terminalreporter, config):
    if not config.getoption("--nightly"):
        return
    noted = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            # The properties of a test are on the reports of all its phases.
            if getattr(report, "when", None) != "call":
                continue
            for name, value in report.user_properties:
                if name in RELIABILITY:
                    noted.setdefault(name, []).append(value)
    if not noted:
        return
    terminalreporter.section("reliability")
    for name, title in RELIABILITY.items():
        if name in noted:
            total = (max if name == "refusal_seconds" else sum)(noted[name])
            terminalreporter.write_line(f"{title:<32} {total:>8.4g}")
