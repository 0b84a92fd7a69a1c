"""What drives the graph: order, processes, cost, the command line. No data code."""
