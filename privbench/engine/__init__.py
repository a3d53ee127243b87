"""Plan, defender, adversary, referee: a cell on its way from declarations to a record."""
