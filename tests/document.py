"""The spec, read once for all tests, because reading it takes longer than most of them. Tests must not change it."""

from spec import SPEC, load

DOCUMENT = load(SPEC)
