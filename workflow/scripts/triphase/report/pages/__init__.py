"""Pages of the report: the data, the findings, and the tables behind them."""
