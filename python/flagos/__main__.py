"""`python -m flagos` is the `flagos` command."""

from flagos.cli import main

raise SystemExit(main())
