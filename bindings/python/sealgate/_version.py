"""The version of this package and of the library interface that it uses. A test compares both with ``sealgate.h``."""

VERSION = "0.1.0"
# SEALGATE_ABI_VERSION: a library with another one is rejected.
ABI_VERSION = 1
