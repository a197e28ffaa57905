"""Invoices on paper: one sheet of words and figures, drawn as PDF, HTML for e-mail, or JSON."""
