"""Exchange: what the books hold, in the forms that other systems read."""
