"""Types that users see, as checked by mypy and basedpyright; these modules do not run.

A module for each package. ``assert_type`` requires a type exactly; the calls that must not type-check have an ignore
comment, and both checkers report one that is unused.
"""
