"""`python -m etapromise`: the command line."""

from etapromise.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main(prog_name="etapromise")
