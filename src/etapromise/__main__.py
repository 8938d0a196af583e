"""`python -m etapromise`: the command line."""

from etapromise.cli import main

if __name__ == "__main__":
    main(prog_name="etapromise")
