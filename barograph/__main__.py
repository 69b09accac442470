"""``python -m barograph``: the same as the command."""

from barograph.cli import main

if __name__ == "__main__":
    main()
