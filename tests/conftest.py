"""Levels: every commit by default, the full forms with `--nightly`."""

import pytest


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
