"""One writer for each form in which a board is shown; each lays the columns out."""
