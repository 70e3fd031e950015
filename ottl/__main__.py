"""`python -m ottl` is the command `ottl`."""

from ottl.cli import main

if __name__ == "__main__":
    main()
