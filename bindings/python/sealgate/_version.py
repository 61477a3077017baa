"""The version of this package, and of the library's interface that it speaks. A test compares both with ``sealgate.h``."""

VERSION = "0.1.0"
# SEALGATE_ABI_VERSION: a library with another number is refused.
ABI_VERSION = 1
