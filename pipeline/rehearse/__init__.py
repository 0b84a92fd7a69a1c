"""The stage `rehearse`."""
