"""What a user did wrong, in one line."""


class UserError(Exception):
    """A mistake that the user can mend: the message is one line, and says how."""


class Interrupted(Exception):
    """The user stopped a run; everything is saved. The message says how to go on."""
