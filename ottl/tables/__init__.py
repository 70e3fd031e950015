"""Columns in memory: vectors of OTTL values over the cells of a batch, and selections of rows.

A value is a *cell* (tag, 64 bits, length) as the native codec defines it; text, bytes, lists and maps are views into
the batch's arena. Everything that computes on columns does so on `Vector`s of cells; what no cell can hold (list
literals, ids and times in odd forms, opaque parts) is a vector of Python objects.
"""
