class CannotConfigureDHCP(Exception):
    """Failure while configuring a DHCP server."""


class NoSuchCluster(Exception):
    """The specified cluster (a.k.a. node-group) was not found."""

    @classmethod
    def from_uuid(cls, uuid):
        return cls("The cluster with UUID %s could not be found." % uuid)


class NoIPFoundForMACAddress(Exception):
    pass
