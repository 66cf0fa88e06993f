"""`python -m shared.cli`, the same as `flux`."""

from shared.cli.main import app

if __name__ == "__main__":
    app(prog_name="flux")
