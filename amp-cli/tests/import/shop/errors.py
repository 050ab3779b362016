import twisted.cred.error


class ShopError(Exception):
    """Something is wrong with the shop."""


class Closed(ShopError):
    """It is closed."""


class OnFire(Exception):
    pass


#: Shared by commands, with a base class beside one that is derived from it.
ERRORS = {Closed: b"CLOSED", ShopError: b"SHOP"}
ERRORS[twisted.cred.error.UnauthorizedLogin] = b"UNAUTHORIZED"
