"""`python -m etapromise.cli`."""

from etapromise.cli import main

if __name__ == "__main__":
    main()
