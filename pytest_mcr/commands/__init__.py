"""Commands outside a test run, one a file: ``python -m pytest_mcr COMMAND``."""
