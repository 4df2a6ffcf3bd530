"""`python -m mcptasks`: the same as the `mcptasks` command."""

from mcptasks.cli import main

if __name__ == "__main__":
    main()
