"""Entry point of ``privbench`` and of ``python -m privbench``."""

from __future__ import annotations

from privbench.cli import interrupt
from privbench.core.allocator import keep_freed_memory
from privbench.core.lazy import defer


def main() -> None:
    """Run the command line; torch and its like are imported when they are first used."""
    interrupt.watch()
    try:
        defer("torch")
        keep_freed_memory()
        from privbench.cli.app import run_app
    except KeyboardInterrupt:
        interrupt.leave()
    run_app()


if __name__ == "__main__":
    main()
