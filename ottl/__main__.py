"""`python -m ottl` is the command `ottl`."""

from ottl.cli import command

if __name__ == "__main__":
    command()
