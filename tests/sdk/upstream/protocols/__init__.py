"""One module per API. Each reads requests strictly and writes answers as its documentation shows them."""
