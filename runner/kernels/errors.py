"""What goes wrong in a kernel, apart from data: a package that is missing, an engine that fails."""

from __future__ import annotations


class KernelError(Exception):
    """An engine that a kernel was told to use could not finish."""


class MissingPackageError(KernelError):
    """An optional package is not installed.

    Attributes:
        package: its name.
    """

    def __init__(self, package: str) -> None:
        super().__init__(f"the package {package} is not installed")
        self.package = package
