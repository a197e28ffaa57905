"""Tools of one's own: what they may be called with is a rule's business, who may call them a scope's."""

import comptroller as ct

POLICY = """
policy: payments
tools:
  pay: {effect: write, scope: "money:send", args: {to: string, amount: double}}
rules:
  - id: small-payments-only
    on: tool
    tool: pay
    when: args.amount > 50.0
    then: deny
    because: More than 50 USD is for a person to send.
"""


@ct.tool(effect="write")
def pay(to: str, amount: float) -> str:
    """Send money."""
    return f"sent {amount:.2f} USD to {to}"


def attempt(to: str, amount: float) -> None:
    """Try to pay, and say what came of it."""
    try:
        print(pay(to, amount))
    except ct.Denied as refusal:
        print(f"refused: {refusal}")


def main(policy: str) -> None:
    """The same tool, called by one who may and by one who may not."""
    with ct.open(config={"policies": [policy]}), ct.run("payments", customer="acme") as run:
        with run.agent("cashier", scopes=["money:send"]):
            attempt("Ada", 20.0)
            attempt("Ada", 200.0)
        with run.agent("reader", scopes=["money:read"]):
            attempt("Ada", 20.0)


if __name__ == "__main__":
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "payments.yaml"
        path.write_text(POLICY, encoding="utf-8")
        main(str(path))
