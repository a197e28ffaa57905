"""`comptroller books`: what was earned, owed and billed. Each command lives in a file of its own."""

import typer

from comptroller.cli import books_invoices, books_usage, books_whatif
from comptroller.cli.books_export import export
from comptroller.cli.books_price import price

HELP = "Price usage, close periods, invoice."
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=HELP)


@app.callback(help=HELP)
def group() -> None:
    """The commands below."""


app.command("close")(books_invoices.close)
app.command("invoice")(books_invoices.invoice)
app.command("pay")(books_invoices.pay)
app.command("credit")(books_invoices.credit)
app.command("void")(books_invoices.void)
app.command("write-off")(books_invoices.write_off)
app.command("balance")(books_invoices.balance)
app.command("export")(export)
app.command("price")(price)
app.command("reprice")(books_whatif.reprice)
app.command("cost")(books_whatif.cost)
app.add_typer(books_usage.app, name="usage")
