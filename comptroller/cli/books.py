"""`comptroller books`: what was earned, owed and billed. Each command lives in a file of its own."""

import typer

from comptroller.cli.books_price import price

HELP = "Price usage, close periods, invoice."
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=HELP)


@app.callback(help=HELP)
def group() -> None:
    """The commands below."""


app.command("price")(price)
