"""The spec, read once for all tests: to read it takes longer than most of them. Nobody changes it."""

from spec import SPEC, load

DOCUMENT = load(SPEC)
