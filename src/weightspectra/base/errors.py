"""The one exception that reaches a user as a sentence instead of a traceback."""


class UserError(Exception):
    """Something the person at the keyboard can cure.

    The message says what was found, what was expected, and the command or the
    configuration key that cures it. Everything else is a defect of the program
    and keeps its traceback.
    """
