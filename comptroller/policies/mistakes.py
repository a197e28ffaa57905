"""What is wrong with policies, all of it at once."""

from comptroller.core.mistakes import FileErrors


class PolicyErrors(FileErrors):
    """The policies cannot be used; `mistakes` lists everything that is wrong with them."""
