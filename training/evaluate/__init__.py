"""``./evaluate``: judge the shipped models on a folder of labelled pictures, as the device runs them.

It needs nothing of what training needs: only the product and its development environment.
"""
