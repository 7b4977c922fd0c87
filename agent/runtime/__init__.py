"""Joins, starts, watches over and ends everything: the device and its replay."""
