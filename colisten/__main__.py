"""`python -m colisten` is the `colisten` command."""

from colisten.cli.main import main

if __name__ == "__main__":
    main()
