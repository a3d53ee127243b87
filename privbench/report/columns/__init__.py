"""The columns of the tables, declared once for all writers."""
