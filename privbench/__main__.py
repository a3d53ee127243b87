"""Entry point of ``privbench`` and of ``python -m privbench``."""

from __future__ import annotations

from privbench.core.lazy import defer


def main() -> None:
    """Run the command line; torch and its like are imported when they are first used."""
    defer("torch")
    from privbench.cli.app import run_app

    run_app()


if __name__ == "__main__":
    main()
