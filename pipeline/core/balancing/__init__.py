"""Groups and labels brought into balance: their table, draws of rows, delivered weights."""
