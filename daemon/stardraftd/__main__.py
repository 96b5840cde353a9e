"""`python -m stardraftd` is `stardraft`."""

from stardraftd.cli import main

if __name__ == "__main__":
    main()
