"""Root conftest: the tests use pytester."""

pytest_plugins = ["pytester"]
