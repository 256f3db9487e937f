"""Root conftest: what pytest must not collect from the checkout (pytester is switched on in pyproject.toml)."""

collect_ignore_glob = ["benchmarks/*", "build/*", "dist/*"]
