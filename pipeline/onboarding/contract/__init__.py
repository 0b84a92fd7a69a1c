"""Propose a data contract, and edits of one."""
