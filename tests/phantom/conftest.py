"""Phantom studies, each made once a session."""
import pytest

import phantoms


@pytest.fixture(scope="session")
def make(tmp_path_factory):
    return phantoms.maker(tmp_path_factory)
